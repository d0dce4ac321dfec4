package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/weft-run/weft/api/v1alpha1"
)

// writes records every write of the operator, and lets tests disturb those of
// their own workspace.
type writes struct {
	mu     sync.Mutex
	made   []write
	faults map[string]fault
}

type write struct {
	verb, kind, namespace, name string
}

// fault disturbs the n-th write (from 1) into a workspace since it was set.
// before is returned instead of making the call; after is returned instead of
// its result.
type fault func(n int) (before, after error)

// workspace whose object this is: the operator writes into namespaces of
// workspaces only, and to the Workspace and its Namespace.
func (w write) workspace() string {
	for _, name := range []string{w.namespace, w.name} {
		if workspace, ok := strings.CutPrefix(name, v1alpha1.WorkspaceNamespacePrefix); ok {
			return workspace
		}
	}
	return w.name
}

func describe(verb string, object any) write {
	made := write{verb: verb, kind: fmt.Sprintf("%T", object)}
	if o, ok := object.(interface {
		GetNamespace() string
		GetName() string
	}); ok {
		made.namespace, made.name = o.GetNamespace(), o.GetName()
	}
	if u, ok := object.(interface{ GetKind() string }); ok {
		made.kind = u.GetKind()
	}
	return made
}

// do makes a write, unless a fault says otherwise.
func (w *writes) do(verb string, object any, call func() error) error {
	made := describe(verb, object)
	w.mu.Lock()
	w.made = append(w.made, made)
	disturb := w.faults[made.workspace()]
	var before, after error
	if disturb != nil {
		before, after = disturb(len(w.in(made.workspace())))
	}
	w.mu.Unlock()
	if before != nil {
		return before
	}
	if err := call(); err != nil {
		return err
	}
	return after
}

// disturb sets the fault of a workspace, nil for none.
func (w *writes) disturb(workspace string, f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults == nil {
		w.faults = map[string]fault{}
	}
	start := len(w.in(workspace))
	if f == nil {
		delete(w.faults, workspace)
		return
	}
	w.faults[workspace] = func(n int) (error, error) { return f(n - start) }
}

// of returns the writes into a workspace.
func (w *writes) of(workspace string) []write {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in(workspace)
}

func (w *writes) in(workspace string) []write {
	var out []write
	for _, made := range w.made {
		if made.workspace() == workspace {
			out = append(out, made)
		}
	}
	return out
}

func (w *writes) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.do("create", o, func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return w.do("update", o, func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.do("patch", o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.do("delete", o, func() error { return c.Delete(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return w.do("apply", o, func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return w.do("patch "+sub, o, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	}
}
