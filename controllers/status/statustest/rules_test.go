package statustest

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRulesCanFail: each rule is broken by some status, and only by that rule's
// own subject where that is possible.
func TestRulesCanFail(t *testing.T) {
	t.Parallel()
	condition := func(kind string, status metav1.ConditionStatus, generation int64) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, ObservedGeneration: generation, Reason: "R", Message: "m"}
	}
	yes, no := metav1.ConditionTrue, metav1.ConditionFalse
	good := Object{
		Generation: 2, ObservedGeneration: 2, URL: "u", Serving: "r", Desired: "r",
		Conditions: []metav1.Condition{condition("Exposed", yes, 2), condition("Ready", yes, 2)},
	}
	if got := Violations(good); len(got) > 0 {
		t.Errorf("a good status breaks %v", got)
	}
	bad := []Object{
		{Generation: 2, ObservedGeneration: 2},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", yes, 2), condition("Stalled", yes, 2)}},
		{Generation: 2, ObservedGeneration: 1, Conditions: []metav1.Condition{condition("Ready", metav1.ConditionUnknown, 2), condition("Reconciling", yes, 2)}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", metav1.ConditionUnknown, 2), condition("Stalled", yes, 2)}},
		{Generation: 2, ObservedGeneration: 1, Conditions: []metav1.Condition{condition("Ready", no, 2), condition("Reconciling", yes, 2), condition("Stalled", yes, 2)}},
		{Generation: 2, ObservedGeneration: 3, Conditions: []metav1.Condition{condition("Ready", no, 3)}},
		{Generation: 2, ObservedGeneration: 1, Conditions: []metav1.Condition{condition("Ready", yes, 2)}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", yes, 2), condition("Accepted", yes, 1)}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", no, 2), condition("Reconciling", yes, 2)}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", yes, 2), condition("Accepted", no, 2)}},
		{Generation: 2, ObservedGeneration: 2, URL: "u", Serving: "a", Desired: "b", Conditions: good.Conditions},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", no, 2), condition("Exposed", yes, 2)}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{{Type: "Ready", Status: no}}},
		{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", no, 2), condition("Ready", no, 2)}},
	}
	broken := map[string]bool{}
	for i, o := range bad {
		violations := Violations(o)
		if len(violations) == 0 {
			t.Errorf("bad status %d breaks no rule:\n%s", i, Describe(o))
		}
		for _, violation := range violations {
			broken[violation] = true
		}
	}
	differ := condition("Stalled", yes, 2)
	differ.Reason = "Other"
	for _, violation := range Violations(Object{Generation: 2, ObservedGeneration: 2, Conditions: []metav1.Condition{condition("Ready", no, 2), differ}}) {
		broken[violation] = true
	}
	for _, rule := range rules() {
		if !broken[rule.text] {
			t.Errorf("nothing breaks the rule %q", rule.text)
		}
	}
}
