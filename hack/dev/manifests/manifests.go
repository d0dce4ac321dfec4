// Package manifests holds what hack/dev puts into a cluster beside the chart:
// the namespace, and Postgres and Redis for a cluster that has none.
package manifests

import (
	"bytes"
	_ "embed" // the manifests
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// System is the namespace of everything that is not a user's.
const System = "weft-system"

//go:embed postgres.yaml
var postgres []byte

//go:embed redis.yaml
var redis []byte

// Images are the references of the images that the manifests run.
type Images struct {
	Postgres string
	Redis    string
}

// Databases returns the objects of Postgres and Redis.
func Databases(images Images) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, m := range []struct {
		text  []byte
		image string
	}{{postgres, images.Postgres}, {redis, images.Redis}} {
		objects, err := Decode(m.text)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			o.SetNamespace(System)
			if err := setImage(o, m.image); err != nil {
				return nil, err
			}
		}
		all = append(all, objects...)
	}
	return all, nil
}

// Namespace returns the system namespace.
func Namespace() *unstructured.Unstructured {
	ns := &unstructured.Unstructured{}
	ns.SetAPIVersion("v1")
	ns.SetKind("Namespace")
	ns.SetName(System)
	ns.SetLabels(map[string]string{
		"pod-security.kubernetes.io/enforce":         "restricted",
		"pod-security.kubernetes.io/enforce-version": "latest",
	})
	return ns
}

// Decode reads the objects of a YAML file.
func Decode(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decoding a manifest: %w", err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// setImage sets the image of the only container of a workload.
func setImage(o *unstructured.Unstructured, image string) error {
	containers, found, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return fmt.Errorf("reading the containers of %s: %w", o.GetName(), err)
	}
	if !found {
		return nil
	}
	container, ok := containers[0].(map[string]any)
	if !ok || len(containers) != 1 {
		return fmt.Errorf("%s: want exactly one container", o.GetName())
	}
	container["image"] = image
	if err := unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		return fmt.Errorf("setting the image of %s: %w", o.GetName(), err)
	}
	return nil
}
