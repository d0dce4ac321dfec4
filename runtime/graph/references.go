package graph

import (
	"cmp"
	"slices"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// VaultKeys returns the names of the vault's keys that the flow refers to,
// sorted, each once.
func VaultKeys(spec *v1alpha1.FlowSpec) []string {
	var names []string
	for i := range spec.Components {
		if c := spec.Components[i].Credential; c != nil && c.VaultKeyRef != nil {
			names = append(names, c.VaultKeyRef.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Secrets returns the keys of Kubernetes Secrets that the flow refers to,
// sorted, each once.
func Secrets(spec *v1alpha1.FlowSpec) []v1alpha1.SecretKeyRef {
	var refs []v1alpha1.SecretKeyRef
	for i := range spec.Components {
		if c := spec.Components[i].Credential; c != nil && c.SecretKeyRef != nil {
			refs = append(refs, *c.SecretKeyRef)
		}
	}
	slices.SortFunc(refs, func(a, b v1alpha1.SecretKeyRef) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(refs)
}

// Exposable says whether the flow can have an address: it has a component at
// which a run starts, and one that gives a result.
func Exposable(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) bool {
	var trigger, terminal bool
	for i := range spec.Components {
		if c, ok := cat.Lookup(spec.Components[i].Type); ok {
			trigger = trigger || c.Trigger
			terminal = terminal || c.Terminal
		}
	}
	return trigger && terminal
}
