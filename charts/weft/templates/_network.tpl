{{- define "weft.egress.dns" }}
- to:
  - namespaceSelector: {}
    podSelector:
      matchLabels: {k8s-app: kube-dns}
  ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
{{- end }}
{{- /* The API server and the stores may be anywhere: their ports bound them. */}}
{{- define "weft.egress.ports" }}
- ports:
  {{- range . }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- end }}
{{- define "weft.egress.runtimes" }}
- to:
  - namespaceSelector:
      matchExpressions: [{key: weft.run/workspace, operator: Exists}]
    podSelector:
      matchLabels: {app.kubernetes.io/name: weft-runtime}
  ports:
  - {port: http, protocol: TCP}
{{- end }}
{{- define "weft.ingress.metrics" }}
{{- with .Values.networkPolicy.metricsFrom }}
- from: {{- toYaml . | nindent 2 }}
  ports:
  - {port: metrics, protocol: TCP}
{{- end }}
{{- end }}
