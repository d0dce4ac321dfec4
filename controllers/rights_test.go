package controllers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rightsManifests returns the objects of config/rbac.
func rightsManifests(scheme *runtime.Scheme) ([]client.Object, error) {
	files, err := filepath.Glob(filepath.Join("..", "config", "rbac", "*.yaml"))
	if err != nil {
		return nil, err
	}
	var out []client.Object
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		objects, err := manifests(scheme, file)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	return out, nil
}

// manifests decodes the documents of a file; a field that its kind does not
// have is an error.
func manifests(scheme *runtime.Scheme, file string) ([]client.Object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var out []client.Object
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		typed, ok := object.(client.Object)
		if !ok {
			return nil, fmt.Errorf("%s: %T is not an object", file, object)
		}
		out = append(out, typed)
	}
}

// TestRightsAreSmall keeps promise T4, as far as a look at the rules can: no
// wildcard, no Secrets in the whole cluster, and no way to more rights but the
// two named roles.
func TestRightsAreSmall(t *testing.T) {
	t.Parallel()
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rightsManifests(scheme)
	if err != nil {
		t.Fatal(err)
	}
	roles := 0
	for _, object := range objects {
		name, rules := rulesOf(object)
		if rules == nil {
			continue
		}
		roles++
		for _, rule := range rules {
			for _, problem := range ruleProblems(name, rule) {
				t.Errorf("%s: %s: %v", name, problem, rule)
			}
		}
	}
	if roles != 4 {
		t.Errorf("%d roles were checked, want 4", roles)
	}
}

func rulesOf(object client.Object) (string, []rbacv1.PolicyRule) {
	switch role := object.(type) {
	case *rbacv1.ClusterRole:
		return "ClusterRole " + role.Name, role.Rules
	case *rbacv1.Role:
		return "Role " + role.Name, role.Rules
	default:
		return "", nil
	}
}

func ruleProblems(role string, rule rbacv1.PolicyRule) []string {
	var problems []string
	all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs)
	if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "*") }) {
		problems = append(problems, "a wildcard")
	}
	if slices.Contains(rule.Resources, "secrets") &&
		(role != "ClusterRole weft-workspace-operator" || !slices.Equal(rule.Verbs, []string{"get"})) {
		problems = append(problems, "more than reading one Secret by name in the namespace of a workspace")
	}
	if slices.Contains(rule.Verbs, "escalate") || slices.Contains(rule.Verbs, "impersonate") {
		problems = append(problems, "a way to more rights")
	}
	if slices.Contains(rule.Verbs, "bind") &&
		!slices.Equal(rule.ResourceNames, []string{"weft-workspace-operator", "weft-workspace-portal"}) {
		problems = append(problems, "a way to bind any role")
	}
	for _, resource := range []string{"pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "nodes/proxy"} {
		if slices.Contains(rule.Resources, resource) {
			problems = append(problems, resource)
		}
	}
	return problems
}
