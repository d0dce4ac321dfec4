// Package statustest checks that the status of an object does not contradict
// itself. Tests run it at their end on every object that they made.
package statustest

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Object is what the rules speak about.
type Object struct {
	Generation, ObservedGeneration int64
	Conditions                     []metav1.Condition
	// URL and Serving are those of a Flow.
	URL, Serving, Desired string
}

// Flow returns what the rules look at in a flow.
func Flow(f *v1alpha1.Flow) Object {
	return Object{
		Generation: f.Generation, ObservedGeneration: f.Status.ObservedGeneration, Conditions: f.Status.Conditions,
		URL: f.Status.URL, Serving: f.Status.Revision.Serving, Desired: f.Status.Revision.Desired,
	}
}

// Workspace returns what the rules look at in a workspace.
func Workspace(w *v1alpha1.Workspace) Object {
	return Object{Generation: w.Generation, ObservedGeneration: w.Status.ObservedGeneration, Conditions: w.Status.Conditions}
}

// Violations returns every rule that the status breaks. The first ten are those
// that Flux holds its own kinds to; the others are promises of ours.
func Violations(o Object) []string {
	var out []string
	for _, rule := range rules() {
		if !rule.holds(o) {
			out = append(out, rule.text)
		}
	}
	return out
}

type rule struct {
	text  string
	holds func(Object) bool
}

func rules() []rule {
	return []rule{
		{"Reconciling and Stalled are not True while Ready is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || (!o.is(v1alpha1.ConditionReconciling) && !o.is(v1alpha1.ConditionStalled))
		}},
		{"Ready is always there", func(o Object) bool { return o.get(v1alpha1.ConditionReady) != nil }},
		{"Ready is False while Reconciling is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReconciling) || o.isFalse(v1alpha1.ConditionReady)
		}},
		{"Ready is False while Stalled is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionStalled) || o.isFalse(v1alpha1.ConditionReady)
		}},
		{"Reconciling and Stalled are not there together", func(o Object) bool {
			return o.get(v1alpha1.ConditionReconciling) == nil || o.get(v1alpha1.ConditionStalled) == nil
		}},
		{"observedGeneration is not above generation", func(o Object) bool { return o.ObservedGeneration <= o.Generation }},
		{"Ready is not True for an earlier generation", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || o.ObservedGeneration == o.Generation
		}},
		{"no condition is of an earlier generation while Ready is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || o.every(func(c metav1.Condition) bool { return c.ObservedGeneration == o.Generation })
		}},
		{"every condition is of the observed generation while Ready is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || o.every(func(c metav1.Condition) bool { return c.ObservedGeneration == o.ObservedGeneration })
		}},
		{"observedGeneration is below that of Reconciling", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReconciling) || o.ObservedGeneration < o.get(v1alpha1.ConditionReconciling).ObservedGeneration
		}},
		{"Accepted, ResolvedRefs, Available and Exposed are True while Ready is True", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || o.every(func(c metav1.Condition) bool { return c.Status == metav1.ConditionTrue })
		}},
		{"a flow that is Ready has an address and serves what is desired", func(o Object) bool {
			return !o.is(v1alpha1.ConditionReady) || o.get(v1alpha1.ConditionExposed) == nil ||
				(o.URL != "" && o.Serving != "" && o.Serving == o.Desired)
		}},
		{"an exposed flow has an address", func(o Object) bool { return !o.is(v1alpha1.ConditionExposed) || o.URL != "" }},
		{"every condition has a reason, and a message of at most 5 KiB", func(o Object) bool {
			return o.every(func(c metav1.Condition) bool {
				return c.Reason != "" && c.Message != "" && len(c.Message) <= 5<<10
			})
		}},
		{"no condition is there twice", func(o Object) bool {
			seen := map[string]bool{}
			return o.every(func(c metav1.Condition) bool {
				twice := seen[c.Type]
				seen[c.Type] = true
				return !twice
			})
		}},
		{"Stalled and Ready give the same reason", func(o Object) bool {
			return !o.is(v1alpha1.ConditionStalled) ||
				o.get(v1alpha1.ConditionStalled).Reason == o.get(v1alpha1.ConditionReady).Reason
		}},
	}
}

func (o Object) get(kind string) *metav1.Condition {
	return meta.FindStatusCondition(o.Conditions, kind)
}

func (o Object) is(kind string) bool { return meta.IsStatusConditionTrue(o.Conditions, kind) }

func (o Object) isFalse(kind string) bool { return meta.IsStatusConditionFalse(o.Conditions, kind) }

func (o Object) every(ok func(metav1.Condition) bool) bool {
	for _, c := range o.Conditions {
		if !ok(c) {
			return false
		}
	}
	return true
}

// KStatus returns what kstatus, and with it Flux and others, makes of an object,
// and what it should make of it.
func KStatus(object client.Object, kind string) (got, want kstatus.Status, err error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return "", "", fmt.Errorf("converting %s: %w", object.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(kind))
	result, err := kstatus.Compute(u)
	if err != nil {
		return "", "", fmt.Errorf("computing the status of %s: %w", object.GetName(), err)
	}
	conditions, err := kstatus.GetObjectWithConditions(u.Object)
	if err != nil {
		return "", "", fmt.Errorf("reading the conditions of %s: %w", object.GetName(), err)
	}
	want = kstatus.InProgressStatus
	for _, c := range conditions.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == v1alpha1.ConditionReady:
			want = kstatus.CurrentStatus
		case c.Type == v1alpha1.ConditionStalled:
			want = kstatus.FailedStatus
		}
	}
	return result.Status, want, nil
}

// Describe prints conditions for the message of a failed test.
func Describe(o Object) string {
	var text strings.Builder
	fmt.Fprintf(&text, "generation %d, observed %d, desired %q, serving %q\n", o.Generation, o.ObservedGeneration, o.Desired, o.Serving)
	for _, c := range o.Conditions {
		fmt.Fprintf(&text, "  %s=%s %s (generation %d): %s\n", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return text.String()
}
