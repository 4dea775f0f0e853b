"""Servers that stand in for the vendors connectors send to: they keep the state the vendor would have, are as strict as
the vendor's documentation says, and misbehave by a plan with a seed.

    with serving(Klaviyo(key="pk_1", mischief=Mischief(seed=7, share=0.3))) as klaviyo:
        ...  # connect to klaviyo.url, allowed by SEGOPS_OUTBOUND_ALLOW=127.0.0.1
        assert klaviyo.lists["LIST01"] == {"ann@example.com"}

Each runs in a thread of its own, so that tests of any kind and processes of any number can use it. What it counted and
kept may be read at any time.
"""
