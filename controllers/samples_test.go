package controllers

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/graph"
)

// TestSamplesAreValid: what we show is right, by the rules of the validator and
// of the API server.
func TestSamplesAreValid(t *testing.T) {
	t.Parallel()
	cat, err := components.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	flows := 0
	for _, file := range sampleFiles(t) {
		objects, err := manifests(scheme, file)
		if err != nil {
			t.Error(err)
		}
		for _, object := range objects {
			flow, ok := object.(*v1alpha1.Flow)
			if !ok {
				continue
			}
			flows++
			for _, problem := range graph.Validate(&flow.Spec, cat) {
				t.Errorf("%s: %+v", file, problem)
			}
			if !graph.Exposable(&flow.Spec, cat) {
				t.Errorf("%s gets no address", file)
			}
		}
	}
	if flows < 4 {
		t.Errorf("%d flows were checked", flows)
	}
}

// TestSamplesAreAccepted sends them to the API server, and nothing else: fields
// that it does not know are errors.
func TestSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, file := range sampleFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		object := new(unstructured.Unstructured)
		data, err = yaml.YAMLToJSON(bytes.ReplaceAll(data, []byte("weft-ws-demo"), []byte(w.namespace())))
		if err == nil {
			err = json.Unmarshal(data, object)
		}
		if err != nil {
			t.Fatal(err)
		}
		err = w.admin.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict"))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func sampleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "config", "samples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		if !strings.HasSuffix(file, "kustomization.yaml") {
			out = append(out, file)
		}
	}
	return out
}
