package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Catalog is an immutable set of component types.
type Catalog struct {
	byType map[string]*Component
	sorted []*Component
}

// New returns a catalog of the components. Two of the same type are an error.
func New(components ...*Component) (*Catalog, error) {
	c := &Catalog{byType: make(map[string]*Component, len(components))}
	for _, component := range components {
		if _, ok := c.byType[component.Type]; ok {
			return nil, fmt.Errorf("component type %q is declared twice", component.Type)
		}
		c.byType[component.Type] = component
		c.sorted = append(c.sorted, component)
	}
	slices.SortFunc(c.sorted, compare)
	return c, nil
}

// Lookup returns the component type of that name.
func (c *Catalog) Lookup(componentType string) (*Component, bool) {
	component, ok := c.byType[componentType]
	return component, ok
}

// All returns every component type, by group and title. Callers must not change
// the slice.
func (c *Catalog) All() []*Component { return c.sorted }

func compare(a, b *Component) int {
	if a.Group != b.Group {
		return slices.Index(groups(), a.Group) - slices.Index(groups(), b.Group)
	}
	return strings.Compare(a.Title, b.Title)
}

func groups() []Group {
	return []Group{GroupStart, GroupAI, GroupLogic, GroupConnect, GroupFiles, GroupEnd}
}
