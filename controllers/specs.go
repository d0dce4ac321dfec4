package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/graph"
)

// specFacts is what validation finds out about a spec.
type specFacts struct {
	uid        types.UID
	generation int64
	problems   []graph.Problem
	hash       string
	exposable  bool
}

// specs validates specs and remembers the result for their generation: a
// rollout brings many events and one spec.
type specs struct {
	catalog *catalog.Catalog

	mu    sync.Mutex
	known map[types.NamespacedName]specFacts
}

func newSpecs(cat *catalog.Catalog) *specs {
	return &specs{catalog: cat, known: map[types.NamespacedName]specFacts{}}
}

func (s *specs) facts(flow *v1alpha1.Flow) specFacts {
	key := types.NamespacedName{Namespace: flow.Namespace, Name: flow.Name}
	s.mu.Lock()
	facts, ok := s.known[key]
	s.mu.Unlock()
	if ok && facts.uid == flow.UID && facts.generation == flow.Generation {
		return facts
	}
	facts = specFacts{uid: flow.UID, generation: flow.Generation, problems: graph.Validate(&flow.Spec, s.catalog)}
	if len(facts.problems) == 0 {
		facts.hash = graph.Hash(&flow.Spec)
		facts.exposable = graph.Exposable(&flow.Spec, s.catalog)
	}
	s.mu.Lock()
	s.known[key] = facts
	s.mu.Unlock()
	return facts
}

func (s *specs) forget(key types.NamespacedName) {
	s.mu.Lock()
	delete(s.known, key)
	s.mu.Unlock()
}
