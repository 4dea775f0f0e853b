{{- define "segops.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that select the pods of a part: `dict "root" $ "part" "identity"`. */}}
{{- define "segops.selector" -}}
app.kubernetes.io/name: segops
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "segops.labels" -}}
{{ include "segops.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "segops.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Of the warehouse that has its engine in the process. */}}
{{- define "segops.embeddedImage" -}}
{{ include "segops.image" . }}-embedded
{{- end }}

{{/* Of a pod: nobody's account, no token for the cluster's own interface. */}}
{{- define "segops.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "segops.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Replicas on different nodes and in different zones, where there are some. */}}
{{- define "segops.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "segops.selector" $ | fromYaml | toJson }}}
{{- end }}
{{- end }}

{{/* Whether a process keeps files on a volume, and so cannot have replicas. */}}
{{- define "segops.keeps" -}}
{{- $process := index (include "segops.processes" .root | fromYaml) .part | default dict -}}
{{- if eq (default "" $process.keeps) "warehouse" -}}
{{ if not .root.Values.stores.clickhouse.url }}warehouse{{ end }}
{{- else if $process.keeps -}}
{{ if not (index .root.Values.files $process.keeps).url }}{{ $process.keeps }}{{ end }}
{{- end -}}
{{- end }}
