{{/*
What each process of ours is, which no values change. `secrets`: the keys that it is given; `stores`: what it connects to;
`callers`: who calls it; `keeps`: its directory of files, where they are on a volume; `outside`: what it reaches beyond.
*/}}
{{- define "segops.processes" -}}
identity:
  module: services.identity
  secrets: [internal_key.pem, internal_key.pub.pem, service_secret, identity_key, segops_database_password, segops_identity_keys, segops_smtp_url]
  stores: [postgres]
  callers: [envoy, authz, segments, profiles]
  outside: mail
ingestion:
  module: services.ingestion
  secrets: [internal_key.pub.pem, service_secret, nats_token, erasure_key, ingestion_key, segops_database_password, segops_ingestion_keys]
  stores: [postgres, nats]
  callers: [envoy, authz, profiles]
segments:
  module: services.segments
  secrets: [internal_key.pub.pem, service_secret, segops_database_password]
  stores: [postgres]
  callers: [envoy, authz, profiles]
  keeps: exports
  outside: bucket
connectors:
  module: services.connectors
  secrets: [internal_key.pub.pem, service_secret, connectors_key, segops_database_password, segops_connectors_keys]
  stores: [postgres]
  callers: [envoy, authz, profiles]
  keeps: connectors
  outside: internet
profiles:
  module: services.profiles
  secrets: [internal_key.pub.pem, service_secret, erasure_key, segops_database_password]
  stores: [postgres]
  callers: [envoy, authz, ingestion]
warehouse:
  module: services.warehouse
  secrets: [internal_key.pub.pem, nats_token, erasure_key, segops_warehouse_password]
  stores: [nats, clickhouse]
  callers: [authz, ingestion, segments, profiles, warehouse]
  keeps: warehouse
authz:
  module: edge
  secrets: [internal_key.pem, segops_database_password, segops_ratelimit_password]
  stores: [postgres, valkey]
  callers: [envoy]
{{- end }}

{{/* The port that a process serves on. */}}
{{- define "segops.port" -}}
{{ if eq . "authz" }}8000{{ else }}50051{{ end }}
{{- end }}

{{/* The port of a store's URL, or of the chart's own store. */}}
{{- define "segops.storePorts" -}}
{{- $own := dict "postgres" "5432" "nats" "4222" -}}
{{- $url := (index .root.Values.stores .store).url -}}
{{- if $url -}}
{{- $found := list -}}
{{- range splitList "," $url -}}
{{- $found = append $found (regexReplaceAll "^[^:]*://[^/]*?:([0-9]+)(/.*)?([?].*)?$" . "${1}") -}}
{{- end -}}
{{- range $found -}}{{- if not (regexMatch "^[0-9]+$" .) -}}{{- fail (printf "stores.%s.url: say the port" $.store) -}}{{- end -}}{{- end -}}
{{ $found | uniq | join "," }}
{{- else -}}
{{ index $own .store }}
{{- end -}}
{{- end }}
