package controllers

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
)

// TestNoReferenceHasANamespace keeps promise T3: what a flow refers to is in its
// own namespace, because there is no way to say anything else.
func TestNoReferenceHasANamespace(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	for _, spec := range []any{v1alpha1.FlowSpec{}, v1alpha1.WorkspaceSpec{}} {
		walkFields(reflect.TypeOf(spec), "spec", seen, func(path, name string) {
			if strings.Contains(strings.ToLower(name), "namespace") {
				t.Errorf("%s.%s names a namespace", path, name)
			}
		})
	}
	if len(seen) < 10 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}

func walkFields(typ reflect.Type, path string, seen map[reflect.Type]bool, visit func(path, name string)) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		walkFields(typ.Elem(), path, seen, visit)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[typ] || !strings.HasPrefix(typ.PkgPath(), "github.com/weft-run/") {
		return
	}
	seen[typ] = true
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		visit(path, name)
		walkFields(field.Type, path+"."+name, seen, visit)
	}
}

// TestListsStayInANamespace keeps promise T3: every list is one of a namespace,
// but that of the workspaces, which have none.
func TestListsStayInANamespace(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	lists := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || selector(call) != "List" {
				return true
			}
			lists++
			if !inNamespace(call) && !strings.Contains(argument(call, 1), "workspaces") {
				t.Errorf("%s: a list of the whole cluster", set.Position(call.Pos()))
			}
			return true
		})
	}
	if lists < 4 {
		t.Errorf("only %d lists were looked at", lists)
	}
}

func selector(call *ast.CallExpr) string {
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

func inNamespace(call *ast.CallExpr) bool {
	for _, arg := range call.Args {
		if inner, ok := arg.(*ast.CallExpr); ok && selector(inner) == "InNamespace" {
			return true
		}
	}
	return false
}

func argument(call *ast.CallExpr, i int) string {
	if i < len(call.Args) {
		if name, ok := call.Args[i].(*ast.Ident); ok {
			return name.Name
		}
	}
	return ""
}

// TestRightsEndAtTheWorkspace keeps promise T4 on the real API server: what the
// operator may do, and where that ends.
func TestRightsEndAtTheWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inside, outside := w.namespace(), []string{"default", "kube-system", systemNamespace, ""}
	type right struct{ verb, group, resource string }
	cases := map[string]struct {
		right           right
		inside, outside bool
	}{
		"ReadSecret":       {right{"get", "", "secrets"}, true, false},
		"ListSecrets":      {right{"list", "", "secrets"}, false, false},
		"WatchSecrets":     {right{"watch", "", "secrets"}, false, false},
		"WriteSecret":      {right{"create", "", "secrets"}, false, false},
		"WriteDeployment":  {right{"patch", "apps", "deployments"}, true, false},
		"DeleteDeployment": {right{"delete", "apps", "deployments"}, true, false},
		"WriteConfigMap":   {right{"patch", "", "configmaps"}, true, false},
		"WriteQuota":       {right{"patch", "", "resourcequotas"}, true, false},
		"DeleteQuota":      {right{"delete", "", "resourcequotas"}, false, false},
		"Exec":             {right{"create", "", "pods/exec"}, false, false},
		"MintTokens":       {right{"create", "", "serviceaccounts/token"}, false, false},
		"DeletePods":       {right{"delete", "", "pods"}, false, false},
		"WriteFlow":        {right{"patch", "weft.run", "flows"}, false, false},
		"DeleteFlow":       {right{"delete", "weft.run", "flows"}, false, false},
		"WriteRoles":       {right{"create", "rbac.authorization.k8s.io", "roles"}, false, false},
		"WriteFlowStatus":  {right{"patch", "weft.run", "flows/status"}, true, true},
		"ReadPods":         {right{"list", "", "pods"}, true, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, namespace := range append(outside, inside) {
				want := tc.outside
				if namespace == inside {
					want = tc.inside
				}
				if got := w.allowed(t, namespace, tc.right.verb, tc.right.group, tc.right.resource); got != want {
					t.Errorf("%v in %q: allowed %t, want %t", tc.right, namespace, got, want)
				}
			}
		})
	}
}

func (w *world) allowed(t *testing.T, namespace, verb, group, resource string) bool {
	t.Helper()
	resource, sub, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   operatorUser,
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub, Name: "x",
		},
	}}
	if err := w.admin.Create(context.Background(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// TestOperatorCannotLeaveItsBounds tries, as the operator, what somebody would
// try who has taken it over.
func TestOperatorCannotLeaveItsBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	operator, err := client.New(w.operator, client.Options{Scheme: w.admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	binding := func(namespace, role string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "evil", Namespace: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: render.OperatorName, Namespace: systemNamespace}},
		}
	}
	cases := map[string]struct {
		reason string
		object client.Object
	}{
		"SecretsOfTheSystem": {
			"its role in workspaces must not open the Secrets of the cluster", binding("kube-system", render.OperatorRole),
		},
		"SecretsOfWeft": {
			"nor those of the system namespace", binding(systemNamespace, render.OperatorRole),
		},
		"OtherRole": {
			"it can give only the two roles that it is meant to give", binding(w.namespace(), "cluster-admin"),
		},
		"OtherNamespace": {
			"it makes namespaces of workspaces only", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "evil"}},
		},
		"WorkloadElsewhere": {
			"it makes workloads in workspaces only", &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "evil", Namespace: "default"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The policy is read by the API server in the background.
			eventually(t, tc.reason, func() error {
				err := operator.Create(context.Background(), tc.object.DeepCopyObject().(client.Object), client.DryRunAll)
				if apierrors.IsForbidden(err) || (apierrors.IsInvalid(err) && strings.Contains(err.Error(), "weft-operator-boundary")) {
					return nil
				}
				return fmt.Errorf("it was allowed, or failed for another reason: %w", err)
			})
		})
	}
}
