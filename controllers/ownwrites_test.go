package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
)

func TestOwnWrites(t *testing.T) {
	t.Parallel()
	at := func(version string) *v1alpha1.Flow {
		return &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Name: "f", Namespace: "n", ResourceVersion: version}}
	}
	o := newOwnWrites()
	if o.unseen(at("9")) {
		t.Error("nothing was written, so nothing is outstanding")
	}
	o.wrote(at("10"))
	if !o.unseen(at("9")) {
		t.Error("version 9 is older than 10, also where texts say otherwise")
	}
	if o.unseen(at("10")) || o.unseen(at("9")) {
		t.Error("once it was seen it is not waited for again")
	}
	o.wrote(at("10"))
	if o.unseen(at("no number")) {
		t.Error("versions that cannot be compared must not stop the work")
	}
}
