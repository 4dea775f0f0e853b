{{/* Whom a part may reach: those whom it calls, its stores, a collector of traces, and what it needs of the outside. */}}
{{- define "segops.egress" -}}
{{- $values := .root.Values -}}
{{- $rules := list -}}
{{- range $callee, $process := include "segops.processes" .root | fromYaml -}}
{{- if has $.part $process.callers -}}
{{- $peer := dict "podSelector" (dict "matchLabels" (include "segops.selector" (dict "root" $.root "part" $callee) | fromYaml)) -}}
{{- $rules = append $rules (dict "to" (list $peer) "ports" (list (dict "port" (include "segops.port" $callee | int)))) -}}
{{- end -}}
{{- end -}}
{{- range $store := .process.stores -}}
{{- $own := index $values.stores $store -}}
{{- if or $own.url (has $store (list "postgres" "nats")) -}}
{{- $ports := list -}}
{{- range splitList "," (include "segops.storePorts" (dict "root" $.root "store" $store)) -}}
{{- $ports = append $ports (dict "port" (int .)) -}}
{{- end -}}
{{- $rule := dict "ports" $ports -}}
{{- if not $own.url -}}
{{- $rule = set $rule "to" (list (dict "podSelector" (dict "matchLabels" (include "segops.selector" (dict "root" $.root "part" $store) | fromYaml)))) -}}
{{- else if $values.networkPolicy.storesTo -}}
{{- $rule = set $rule "to" $values.networkPolicy.storesTo -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- with $values.settings.SEGOPS_OTLP_ENDPOINT -}}
{{- $rule := dict "ports" (list (dict "port" (regexReplaceAll "^https?://[^:]+:?([0-9]*)$" . "${1}" | default "4317" | int))) -}}
{{- if $values.networkPolicy.tracesTo -}}
{{- $rule = set $rule "to" $values.networkPolicy.tracesTo -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- $outside := default "" .process.outside -}}
{{- if eq $outside "mail" -}}
{{- $rules = append $rules (dict "ports" (list (dict "port" 25) (dict "port" 465) (dict "port" 587))) -}}
{{- end -}}
{{- if has $outside (list "bucket" "internet") -}}
{{- $rules = append $rules (dict "ports" (list (dict "port" 443))) -}}
{{- end -}}
{{- if eq $outside "internet" -}}
{{- $all := list (dict "ipBlock" (dict "cidr" "0.0.0.0/0" "except" $values.networkPolicy.notOutside)) (dict "ipBlock" (dict "cidr" "::/0" "except" (list "fc00::/7" "fe80::/10"))) -}}
{{- $rules = append $rules (dict "to" $all) -}}
{{- end -}}
{{ toYaml $rules }}
{{- end }}
