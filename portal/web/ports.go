package web

import (
	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/runtime/catalog"
)

// ports names the ways out of a flow's steps.
type ports struct {
	site *Site
	l    *language
	spec *v1alpha1.FlowSpec
}

// of returns the ways out of a step.
func (p ports) of(id string) []catalog.Port {
	step, ok := outline.Step(p.spec, id)
	if !ok {
		return nil
	}
	component, ok := p.site.Catalog.Lookup(step.Type)
	if !ok {
		return nil
	}
	return component.Outputs
}

// name is what people call a way out.
func (p ports) name(id string, port catalog.Port) string {
	step, ok := outline.Step(p.spec, id)
	if !ok {
		return port.Name
	}
	return p.l.words.or("step."+step.Type+".port."+port.Name, port.Title)
}

// title names the way out that a connection takes, where it is not the usual
// one of its step.
func (p ports) title(id, port string) string {
	outs := p.of(id)
	usual := len(outs) > 0 && outs[0].Name == mainPort
	if usual && (port == "" || port == mainPort) {
		return ""
	}
	for i, out := range outs {
		if out.Name == port || port == "" && i == 0 {
			return p.name(id, out)
		}
	}
	return port
}
