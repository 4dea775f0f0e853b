{{- define "segops.storeService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "segops.name" .root }}-{{ .part }}
  labels: {{ include "segops.labels" . | fromYaml | toJson }}
spec:
  clusterIP: None
  selector: {{ include "segops.selector" . | fromYaml | toJson }}
  ports: [{name: {{ .part }}, port: {{ .port }}, targetPort: {{ .part }}}]
{{- end }}

{{- define "segops.claim" -}}
- metadata: {name: data}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .root.Values.files.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ .size }}}}
{{- end }}

{{/* The size of a volume in MiB; sizes are in Gi or Ti. */}}
{{- define "segops.mebibytes" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- if hasSuffix "Ti" . }}{{ mul $number 1048576 }}{{ else if hasSuffix "Gi" . }}{{ mul $number 1024 }}{{ else }}{{ fail (printf "%s: say sizes in Gi or Ti" .) }}{{ end -}}
{{- end }}
