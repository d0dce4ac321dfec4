package render

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/graph"
)

// FlowInput is what the objects of a flow follow from.
type FlowInput struct {
	// Name, Namespace and UID of the Flow object.
	Name, Namespace string
	UID             types.UID
	// Workspace that the namespace belongs to.
	Workspace *v1alpha1.Workspace
	// Spec that runs: that of the Flow object, or that of an earlier revision
	// while the newest cannot run.
	Spec *v1alpha1.FlowSpec
	// Revision is the name of what Spec executes.
	Revision string
}

// FlowAddresses returns where callers reach the flow, the outer address first.
func FlowAddresses(o Options, workspace, flow string) []v1alpha1.Address {
	namespace := v1alpha1.WorkspaceNamespacePrefix + workspace
	return []v1alpha1.Address{
		{Type: "External", URL: fmt.Sprintf("%s/f/%s/%s", o.GatewayURL, workspace, flow)},
		{Type: "Internal", URL: internalURL(FlowObjectName(flow), namespace)},
	}
}

// FlowSelector selects the pods of a flow.
func FlowSelector(workspace, flow string, uid types.UID) string {
	selector := podSelector(flowLabels(workspace, flow), string(uid))
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector})
}

// RevisionConfigMap holds what a runtime pod executes. It never changes: its
// name carries the hash of its content.
func RevisionConfigMap(in FlowInput) (*corev1.ConfigMap, error) {
	data, err := json.Marshal(graph.Revision{
		Workspace: in.Workspace.Name,
		Name:      in.Name,
		UID:       string(in.UID),
		Revision:  in.Revision,
		Flow:      executable(in.Spec),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding revision %s: %w", in.Revision, err)
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:      RevisionName(in.Name, in.Revision),
			Namespace: in.Namespace,
			Labels:    with(flowLabels(in.Workspace.Name, in.Name), RevisionLabel, in.Revision),
		},
		Immutable: new(true),
		Data:      map[string]string{RevisionKey: string(data)},
	}, nil
}

// executable is the part of a spec that a runtime needs: not who may call it,
// and not how it is drawn. It holds no more than graph.Hash looks at, or a
// stored revision would be out of date.
func executable(spec *v1alpha1.FlowSpec) v1alpha1.FlowSpec {
	out := *spec.DeepCopy()
	out.Description = ""
	out.Exposure = v1alpha1.Exposure{Page: spec.Exposure.Page, MaxBodyBytes: spec.Exposure.MaxBodyBytes}
	out.State = ""
	out.RevisionHistoryLimit = nil
	for i := range out.Components {
		out.Components[i].Position = nil
	}
	return out
}

// Flow returns the objects of a flow, in the order in which they are applied.
// The ConfigMap of the revision is not among them: see RevisionConfigMap.
func Flow(o Options, in FlowInput) ([]client.Object, error) {
	w, err := flowWorkload(o, in)
	if err != nil {
		return nil, err
	}
	egress := EffectiveEgress(in.Spec.Runtime.Egress, in.Workspace.Spec.Egress)
	objects := []client.Object{
		w.serviceAccount(),
		w.networkPolicy(o, egress),
		w.service(),
		w.deployment(),
	}
	s := scaling(in.Spec)
	if s.disruptionBudget() {
		objects = append(objects, w.disruptionBudget())
	}
	if s.autoscaled() {
		objects = append(objects, w.autoscaler(s, in.Spec.Runtime.Resources))
	}
	return objects, nil
}

// FlowKinds returns an empty object of every kind that Flow may return, named
// as Flow would name it. What of these Flow does not return is not wanted.
func FlowKinds(name, namespace string) []client.Object {
	meta := metav1.ObjectMeta{Name: FlowObjectName(name), Namespace: namespace}
	return []client.Object{
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta},
		&policyv1.PodDisruptionBudget{ObjectMeta: meta},
		&appsv1.Deployment{ObjectMeta: meta},
		&corev1.Service{ObjectMeta: meta},
		networkPolicyNamed(meta),
		&corev1.ServiceAccount{ObjectMeta: meta},
	}
}

func flowWorkload(o Options, in FlowInput) (*workload, error) {
	runtime, err := json.Marshal(in.Spec.Runtime)
	if err != nil {
		return nil, fmt.Errorf("encoding spec.runtime: %w", err)
	}
	labels := flowLabels(in.Workspace.Name, in.Name)
	selector := podSelector(labels, string(in.UID))
	s := scaling(in.Spec)
	w := &workload{
		name:      FlowObjectName(in.Name),
		namespace: in.Namespace,
		labels:    labels,
		selector:  selector,
		podLabels: with(with(labels, UIDLabel, string(in.UID)), RevisionLabel, in.Revision),
		annotations: map[string]string{
			RuntimeAnnotation:  string(runtime),
			ReplicasAnnotation: s.decidedBy(),
		},
		image:      o.RuntimeImage,
		resources:  in.Spec.Runtime.Resources,
		runTimeout: runTimeout(&in.Spec.Runtime),
		replicas:   s.replicas(),
	}
	w.env = flowEnv(o, in)
	w.volumes, w.mounts = revisionVolume(in)
	if volume, mount, ok := secretsVolume(in.Spec); ok {
		w.volumes = append(w.volumes, volume)
		w.mounts = append(w.mounts, mount)
	}
	return w, nil
}

func flowEnv(o Options, in FlowInput) []corev1.EnvVar {
	egress := EffectiveEgress(in.Spec.Runtime.Egress, in.Workspace.Spec.Egress)
	return append(commonEnv(o, "flow", in.Workspace.Name, in.Name, string(in.UID)),
		corev1.EnvVar{Name: "WEFT_REVISION_FILE", Value: revisionDir + "/" + RevisionKey},
		corev1.EnvVar{Name: "WEFT_SECRETS_DIR", Value: secretsDir},
		corev1.EnvVar{Name: "WEFT_EGRESS_ALLOW", Value: strings.Join(egress, ",")},
	)
}

func runTimeout(r *v1alpha1.Runtime) time.Duration {
	if r.RunTimeout == nil {
		return defaultRunTimeout
	}
	return r.RunTimeout.Duration
}

func revisionVolume(in FlowInput) ([]corev1.Volume, []corev1.VolumeMount) {
	volume := corev1.Volume{Name: "revision", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: RevisionName(in.Name, in.Revision)},
			DefaultMode:          ptr.To[int32](0o444),
		},
	}}
	mount := corev1.VolumeMount{Name: "revision", MountPath: revisionDir, ReadOnly: true}
	return []corev1.Volume{volume}, []corev1.VolumeMount{mount}
}

// secretsVolume mounts the keys of Secrets that the flow refers to, and no
// other keys of those Secrets, as files <secret>/<key>. The kubelet keeps the
// files up to date, so a changed Secret needs no new pod.
func secretsVolume(spec *v1alpha1.FlowSpec) (corev1.Volume, corev1.VolumeMount, bool) {
	refs := graph.Secrets(spec)
	if len(refs) == 0 {
		return corev1.Volume{}, corev1.VolumeMount{}, false
	}
	var sources []corev1.VolumeProjection
	for _, ref := range refs {
		if n := len(sources); n == 0 || sources[n-1].Secret.Name != ref.Name {
			sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name},
			}})
		}
		last := sources[len(sources)-1].Secret
		last.Items = append(last.Items, corev1.KeyToPath{Key: ref.Key, Path: ref.Name + "/" + ref.Key})
	}
	volume := corev1.Volume{Name: "secrets", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{DefaultMode: ptr.To[int32](0o440), Sources: sources},
	}}
	return volume, corev1.VolumeMount{Name: "secrets", MountPath: secretsDir, ReadOnly: true}, true
}
