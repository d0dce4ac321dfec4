package identity_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/portaltest"
)

var workspaceShape = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?-[a-z0-9]{6}$`)

func TestWorkspaceNames(t *testing.T) {
	t.Parallel()
	p := serve(t)
	for i, local := range []string{"john.doe", "123", "ÑANDÚ", "x+y", "a_b", strings.Repeat("long", 15), "-dash-", "0.0"} {
		_, answer := p.SignUp(t, local+"@example.com")
		name := answer.Text(t, "user", "workspace", "name")
		if !workspaceShape.MatchString(name) || len(name) > 40 {
			t.Errorf("sign-up %d: workspace %q", i, name)
		}
	}
}

// TestSignUpWithoutCluster shows that a sign-up is not lost when the cluster is
// away: the workspace comes when the cluster does, and goes with the account.
func TestSignUpWithoutCluster(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	p := serve(t, func(p *portaltest.Portal) {
		cluster := interceptor.NewClient(portaltest.FakeCluster(t), interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				if away.Load() {
					return apierrors.NewServiceUnavailable("the cluster is away")
				}
				return c.Apply(ctx, o, options...)
			},
		})
		p.Deps.Kube, p.Deps.Cache = cluster, cluster
	})
	agent, answer := p.SignUp(t, "one@example.com")
	provisioner := identity.NewProvisioner(p.Deps)
	if err := provisioner.Reconcile(t.Context(), false); err == nil {
		t.Fatal("a round without a cluster went well")
	}
	away.Store(false)
	if err := provisioner.Reconcile(t.Context(), false); err != nil {
		t.Fatalf("a round with the cluster: %v", err)
	}
	name := answer.Text(t, "user", "workspace", "name")
	var workspace v1alpha1.Workspace
	if err := p.Deps.Kube.Get(t.Context(), client.ObjectKey{Name: name}, &workspace); err != nil {
		t.Fatalf("the object: %v", err)
	}
	if o := workspace.Spec.Owner; o == nil || o.Kind != "User" || o.ID != answer.Text(t, "user", "id") || workspace.Spec.Title != "John Doe" {
		t.Errorf("the object: %+v", workspace.Spec)
	}
	stored, err := p.Deps.Store.FindWorkspace(t.Context(), name)
	if err != nil || stored.UID == nil || *stored.UID != string(workspace.UID) {
		t.Errorf("the stored workspace: %+v, %v; want UID %q", stored, err, workspace.UID)
	}
	if wrong := agent.JSON(t, "/account/delete", map[string]string{"password": "wrong password"}); wrong.Status != 400 {
		t.Errorf("deleting with a wrong password: %d %s", wrong.Status, wrong.Body)
	}
	if gone := agent.JSON(t, "/account/delete", map[string]string{"password": portaltest.Password}); gone.Status != 200 {
		t.Fatalf("deleting: %d %s", gone.Status, gone.Body)
	}
	if after := agent.Get(t, "/account"); after.Status != 401 {
		t.Errorf("the token of a deleted account: %d", after.Status)
	}
	for range 2 {
		if err := provisioner.Reconcile(t.Context(), false); err != nil {
			t.Fatalf("a round after the deletion: %v", err)
		}
	}
	if err := p.Deps.Kube.Get(t.Context(), client.ObjectKey{Name: name}, &workspace); !apierrors.IsNotFound(err) {
		t.Errorf("the object of a deleted account: %v", err)
	}
	if left, err := p.Deps.Store.WorkspacesToReconcile(t.Context(), true); err != nil || len(left) != 0 {
		t.Errorf("rows that are left: %v, %v", left, err)
	}
}

// TestForeignWorkspaceIsLeftAlone shows that an object of the same name that
// somebody else made is neither taken over nor deleted.
func TestForeignWorkspaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, answer := p.SignUp(t, "one@example.com")
	name := answer.Text(t, "user", "workspace", "name")
	foreign := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.WorkspaceSpec{Owner: &v1alpha1.WorkspaceOwner{Kind: "Team", ID: "other"}}}
	if err := p.Deps.Kube.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if gone := agent.JSON(t, "/account/delete", map[string]string{"password": portaltest.Password}); gone.Status != 200 {
		t.Fatalf("deleting: %d %s", gone.Status, gone.Body)
	}
	if err := identity.NewProvisioner(p.Deps).Reconcile(t.Context(), true); err != nil {
		t.Fatalf("a round: %v", err)
	}
	if err := p.Deps.Kube.Get(t.Context(), client.ObjectKey{Name: name}, foreign); err != nil {
		t.Errorf("the foreign object: %v", err)
	}
}

// TestOneBadWorkspaceDoesNotStopTheOthers shows that the round goes on.
func TestOneBadWorkspaceDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	var bad atomic.Value
	bad.Store("")
	p := serve(t, func(p *portaltest.Portal) {
		p.Deps.Kube = interceptor.NewClient(portaltest.FakeCluster(t), interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				if named, ok := o.(interface{ GetName() string }); ok && named.GetName() == bad.Load() {
					return errors.New("refused")
				}
				return c.Apply(ctx, o, options...)
			},
		})
	})
	_, first := p.SignUp(t, "one@example.com")
	_, second := p.SignUp(t, "two@example.com")
	bad.Store(first.Text(t, "user", "workspace", "name"))
	if err := identity.NewProvisioner(p.Deps).Reconcile(t.Context(), false); err == nil {
		t.Error("the refused workspace was not told")
	}
	var workspace v1alpha1.Workspace
	if err := p.Deps.Kube.Get(t.Context(), client.ObjectKey{Name: second.Text(t, "user", "workspace", "name")}, &workspace); err != nil {
		t.Errorf("the other workspace: %v", err)
	}
}
