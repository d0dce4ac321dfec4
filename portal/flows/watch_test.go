package flows

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
)

func withReady(status metav1.ConditionStatus, reason string) *v1alpha1.Flow {
	return &v1alpha1.Flow{
		ObjectMeta: metav1.ObjectMeta{Namespace: "weft-ws-acme", Name: "hello", UID: "uid", ResourceVersion: "7"},
		Status:     v1alpha1.FlowStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason}}},
	}
}

func TestOnlyChangesAreTold(t *testing.T) {
	t.Parallel()
	w := &watcher{news: make(chan statusNews, 1)}
	starting, ready := withReady(metav1.ConditionFalse, v1alpha1.ReasonNoPods), withReady(metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.changed(starting, starting.DeepCopy())
	if len(w.news) != 0 {
		t.Error("an update without a change of status is told")
	}
	w.changed(starting, ready)
	news := <-w.news
	if news.Workspace != "acme" || news.Flow != "hello" || news.Key != "uid/7" || !news.Status.Ready || news.Status.State != PhaseReady {
		t.Errorf("the news are %+v", news)
	}
	w.changed(starting, ready)
	w.changed(ready, starting)
	if len(w.news) != 1 {
		t.Error("news that nobody takes are kept without bound")
	}
}
