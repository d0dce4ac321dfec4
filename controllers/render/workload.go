package render

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/weft-run/weft/api/v1alpha1"
)

// ContainerName is the name of the only container of a runtime pod.
const ContainerName = "runtime"

const (
	runsPort    = 8080
	metricsPort = 9090
	servicePort = 80

	// nonRoot is the user and group of runtime containers.
	nonRoot = 65532

	drainDelay = 5 * time.Second
	// drainReserve is the time that a pod gets beyond the longest run, so that
	// the last answer is written before the container is killed.
	drainReserve = 10 * time.Second

	defaultRunTimeout = time.Minute

	// progressDeadline is how long a rollout may stand still before it counts
	// as failed.
	progressDeadline = 300

	trustDir    = "/etc/weft/trust"
	revisionDir = "/etc/weft/revision"
	secretsDir  = "/etc/weft/secrets"
	vaultDir    = "/var/run/secrets/weft/vault"

	// RevisionKey is the key of a revision's ConfigMap.
	RevisionKey = "revision.json"
)

// workload is what the Deployments of a flow and of a test runtime differ in.
type workload struct {
	name, namespace string
	labels          map[string]string
	selector        map[string]string
	podLabels       map[string]string
	annotations     map[string]string
	image           string
	env             []corev1.EnvVar
	volumes         []corev1.Volume
	mounts          []corev1.VolumeMount
	resources       *v1alpha1.Resources
	runTimeout      time.Duration
	// replicas is nil where an autoscaler decides.
	replicas *int32
}

func (w *workload) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: w.name, Namespace: w.namespace, Labels: w.labels}
}

func (w *workload) deployment() *appsv1.Deployment {
	meta := w.meta()
	meta.Annotations = w.annotations
	return &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: w.replicas,
			Selector: &metav1.LabelSelector{MatchLabels: w.selector},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: new(intstr.FromInt32(0)),
					MaxSurge:       new(intstr.FromInt32(1)),
				},
			},
			// Earlier revisions are ConfigMaps; old ReplicaSets serve nobody.
			RevisionHistoryLimit:    ptr.To[int32](2),
			ProgressDeadlineSeconds: ptr.To[int32](progressDeadline),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: w.podLabels},
				Spec:       w.podSpec(),
			},
		},
	}
}

func (w *workload) podSpec() corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName:            w.name,
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		TerminationGracePeriodSeconds: new(gracePeriod(w.runTimeout)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      ptr.To[int64](nonRoot),
			RunAsGroup:     ptr.To[int64](nonRoot),
			FSGroup:        ptr.To[int64](nonRoot),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew:           1,
			TopologyKey:       corev1.LabelHostname,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: w.selector},
		}},
		Containers: []corev1.Container{w.container()},
		Volumes:    append([]corev1.Volume{trustVolume(), vaultTokenVolume()}, w.volumes...),
	}
}

func (w *workload) container() corev1.Container {
	requirements := resources(w.resources)
	env := append([]corev1.EnvVar{}, w.env...)
	// A runtime holds little and makes much garbage: collecting less often is
	// worth a few MiB. The memory limit still has the last word.
	env = append(env, corev1.EnvVar{Name: "GOMEMLIMIT", Value: goMemLimit(requirements)}, corev1.EnvVar{Name: "GOGC", Value: "400"})
	mounts := []corev1.VolumeMount{
		{Name: "trust", MountPath: trustDir, ReadOnly: true},
		{Name: "vault-token", MountPath: vaultDir, ReadOnly: true},
	}
	return corev1.Container{
		Name:            ContainerName,
		Image:           w.image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Env:             env,
		Ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: runsPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: metricsPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:    requirements,
		VolumeMounts: append(mounts, w.mounts...),
		// Until the first start has succeeded it is asked every second, so that
		// a new pod serves at once; after that, seldom.
		StartupProbe:   probe("/readyz", 1, 60),
		ReadinessProbe: probe("/readyz", 5, 2),
		LivenessProbe:  probe("/healthz", 10, 3),
		// What the program wrote last is what the status tells about a crash.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Privileged:               new(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

func (w *workload) service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: w.meta(),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: w.selector,
			Ports: []corev1.ServicePort{{
				Name:       "http",
				Port:       servicePort,
				TargetPort: intstr.FromString("http"),
				Protocol:   corev1.ProtocolTCP,
			}},
		},
	}
}

func (w *workload) serviceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: w.meta(), AutomountServiceAccountToken: new(false)}
}

func probe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString("metrics"), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    period,
		TimeoutSeconds:   5,
		FailureThreshold: failures,
		SuccessThreshold: 1,
	}
}

func trustVolume() corev1.Volume {
	return corev1.Volume{Name: "trust", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: TrustName},
			DefaultMode:          ptr.To[int32](0o444),
			Items:                []corev1.KeyToPath{{Key: TrustKey, Path: TrustKey}},
		},
	}}
}

// vaultTokenVolume is the pod's only token. The Kubernetes API refuses it: its
// audience is the vault.
func vaultTokenVolume() corev1.Volume {
	return corev1.Volume{Name: "vault-token", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: ptr.To[int32](0o440),
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: "weft-vault", ExpirationSeconds: ptr.To[int64](3600), Path: "token",
			}}},
		},
	}}
}

// commonEnv is the environment that both kinds of runtime have.
func commonEnv(o Options, mode, workspace, name, audience string) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "WEFT_MODE", Value: mode},
		{Name: "WEFT_WORKSPACE", Value: workspace},
		{Name: "WEFT_NAME", Value: name},
		{Name: "WEFT_AUDIENCE", Value: audience},
		{Name: "WEFT_TRUST_FILE", Value: trustDir + "/" + TrustKey},
		{Name: "WEFT_VAULT_URL", Value: o.VaultURL},
		{Name: "WEFT_VAULT_TOKEN_FILE", Value: vaultDir + "/token"},
		{Name: "WEFT_DRAIN_DELAY", Value: drainDelay.String()},
	}
}

func gracePeriod(runTimeout time.Duration) int64 {
	total := drainDelay + runTimeout + drainReserve
	return int64((total + time.Second - 1) / time.Second)
}

// resources fills in the defaults: a limit of 4Gi, and requests that let many
// idle runtimes share a node.
func resources(r *v1alpha1.Resources) corev1.ResourceRequirements {
	limits := amounts(nil, v1alpha1.ResourceAmounts{Memory: new(resource.MustParse("4Gi"))})
	requests := amounts(nil, v1alpha1.ResourceAmounts{
		CPU: new(resource.MustParse("10m")), Memory: new(resource.MustParse("32Mi")),
	})
	if r != nil && r.Limits != nil {
		limits = amounts(limits, *r.Limits)
	}
	if r != nil && r.Requests != nil {
		requests = amounts(requests, *r.Requests)
	}
	// A small limit pulls the default request down with it.
	for name, limit := range limits {
		if request, ok := requests[name]; ok && request.Cmp(limit) > 0 {
			requests[name] = limit
		}
	}
	return corev1.ResourceRequirements{Limits: limits, Requests: requests}
}

func amounts(base corev1.ResourceList, a v1alpha1.ResourceAmounts) corev1.ResourceList {
	out := corev1.ResourceList{}
	maps.Copy(out, base)
	if a.CPU != nil {
		out[corev1.ResourceCPU] = *a.CPU
	}
	if a.Memory != nil {
		out[corev1.ResourceMemory] = *a.Memory
	}
	return out
}

// goMemLimit is nine tenths of the memory limit, in bytes.
func goMemLimit(r corev1.ResourceRequirements) string {
	return strconv.FormatInt(r.Limits.Memory().Value()/10*9, 10)
}

// internalURL is the address of a Service within the cluster.
func internalURL(name, namespace string) string {
	return fmt.Sprintf("http://%s.%s.svc", name, namespace)
}
