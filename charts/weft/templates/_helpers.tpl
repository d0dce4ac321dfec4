{{/* Labels of a component. Call with (dict "root" $ "name" "weft-portal"). */}}
{{- define "weft.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: weft
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{/* Labels by which a component's pods are found. They never change. */}}
{{- define "weft.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: weft
{{- end }}

{{/* Reference of an image. Call with (dict "root" $ "image" "portal"). */}}
{{- define "weft.image" -}}
{{- $image := index .root.Values.images .image -}}
{{ $image.repository }}:{{ $image.tag }}
{{- end }}

{{/* GOMEMLIMIT: 90 % of a memory limit, which the schema holds to Mi or Gi. */}}
{{- define "weft.gomemlimit" -}}
{{- $mi := 0 -}}
{{- if hasSuffix "Gi" . -}}
{{- $mi = mul (trimSuffix "Gi" . | int) 1024 -}}
{{- else -}}
{{- $mi = trimSuffix "Mi" . | int -}}
{{- end -}}
{{ div (mul $mi 9) 10 }}MiB
{{- end }}

{{/* What every pod has in common. */}}
{{- define "weft.pod" -}}
enableServiceLinks: false
{{- with .Values.images.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every container has in common. */}}
{{- define "weft.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Environment that every program reads. Call with (dict "root" $ "limit" "1Gi"). */}}
{{- define "weft.env" -}}
- name: GOMEMLIMIT
  value: {{ include "weft.gomemlimit" .limit }}
- name: WEFT_SYSTEM_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
{{- end }}

{{/* Probes on the metrics port. */}}
{{- define "weft.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 3
  timeoutSeconds: 5
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 5
{{- end }}

{{/* Where a pod may and would rather run. Call with (dict "root" $ "name" … "values" …). */}}
{{- define "weft.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if gt (int .values.replicas) 1 }}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "weft.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* Environment and volumes of the portal program's two Deployments: where the
database, Redis and the keys are. */}}
{{- define "weft.stores.env" -}}
- {name: WEFT_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
- {name: WEFT_GATEWAY_URL, value: {{ .Values.gatewayUrl | quote }}}
- {name: WEFT_DATABASE_URL_FILE, value: /etc/weft/database/url}
- {name: WEFT_REDIS_URL_FILE, value: /etc/weft/redis/url}
- {name: WEFT_KEYS_DIR, value: /etc/weft/keys}
{{- end }}

{{/* Call with the list of key Secrets. */}}
{{- define "weft.stores.mounts" -}}
- {name: database, mountPath: /etc/weft/database, readOnly: true}
- {name: redis, mountPath: /etc/weft/redis, readOnly: true}
{{- range . }}
- {name: {{ . }}, mountPath: /etc/weft/keys/{{ . }}, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Call with (dict "root" $ "keys" (list "weft-identity-keys" …)). */}}
{{- define "weft.stores.volumes" -}}
- name: database
  secret:
    secretName: {{ .root.Values.database.secretName }}
    defaultMode: 0440
    items: [{key: url, path: url}]
- name: redis
  secret:
    secretName: {{ .root.Values.redis.secretName }}
    defaultMode: 0440
    items: [{key: url, path: url}]
{{- range .keys }}
- name: {{ . }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- end }}

{{/* The flag that weakens the demand for https. */}}
{{- define "weft.insecure" -}}
{{- if .Values.insecureAllowPlainHttp }}
- --insecure-allow-plain-http
{{- end }}
{{- end }}
