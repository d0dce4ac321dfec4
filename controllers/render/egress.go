package render

import (
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
)

// EffectiveEgress returns the entries of a flow's allow-list that its workspace
// allows too, in the flow's order. An entry is allowed where the workspace
// lists the same text, a range around it, or a wildcard (*.example.com) over
// it.
func EffectiveEgress(flow, workspace *v1alpha1.Egress) []string {
	if flow == nil || workspace == nil {
		return nil
	}
	var out []string
	for _, entry := range flow.Allow {
		if allowedBy(workspace.Allow, entry) {
			out = append(out, entry)
		}
	}
	return out
}

func allowedBy(list []string, entry string) bool {
	for _, allowed := range list {
		if strings.EqualFold(allowed, entry) || containsRange(allowed, entry) || coversName(allowed, entry) {
			return true
		}
	}
	return false
}

func containsRange(outer, inner string) bool {
	o, okOuter := parseRange(outer)
	i, okInner := parseRange(inner)
	return okOuter && okInner && o.Bits() <= i.Bits() && o.Contains(i.Addr())
}

func coversName(wildcard, name string) bool {
	suffix, ok := strings.CutPrefix(strings.ToLower(wildcard), "*.")
	if !ok || suffix == "" {
		return false
	}
	name = strings.TrimPrefix(strings.ToLower(name), "*.")
	return strings.HasSuffix(name, "."+suffix)
}
