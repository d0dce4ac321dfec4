package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// matcher finds the route of a request. http.ServeMux refuses tables in which
// two patterns overlap and neither is the narrower one, such as
// /flow/delete/{id} and /flow/{id}/save, which are both given. Here, from left
// to right, a literal segment wins over a wildcard, and a wildcard over a rest.
//
// It is given the decision path: decoded once, without anything that could be
// read in a second way.
type matcher struct {
	root node
}

type node struct {
	literal  map[string]*node
	wildcard *node
	rest     *node
	// byMethod holds the routes that end here.
	byMethod map[string]*target
}

// target is a route with the names of its wildcards, from left to right.
type target struct {
	route   Route
	handler http.Handler
	names   []string
}

func (m *matcher) add(route Route, handler http.Handler) error {
	t := &target{route: route, handler: handler}
	at := &m.root
	for _, segment := range strings.Split(route.Pattern, "/")[1:] {
		at = at.child(segment, t)
	}
	if at.byMethod == nil {
		at.byMethod = map[string]*target{}
	}
	if other := at.byMethod[route.Method]; other != nil {
		return fmt.Errorf("routes %s %s and %s match the same requests", route.Method, route.Pattern, other.route.Pattern)
	}
	at.byMethod[route.Method] = t
	return nil
}

// child returns the node below, and notes the name of a wildcard.
func (n *node) child(segment string, t *target) *node {
	name, isWildcard := strings.CutPrefix(segment, "{")
	name = strings.TrimSuffix(name, "}")
	switch {
	case segment == "{$}":
		segment = ""
	case strings.HasSuffix(name, "...") && isWildcard:
		t.names = append(t.names, strings.TrimSuffix(name, "..."))
		return make1(&n.rest)
	case isWildcard:
		t.names = append(t.names, name)
		return make1(&n.wildcard)
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	below := n.literal[segment]
	if below == nil {
		below = &node{}
		n.literal[segment] = below
	}
	return below
}

func make1(at **node) *node {
	if *at == nil {
		*at = &node{}
	}
	return *at
}

// find returns the route of a method and path, and the values of its wildcards.
// Where the path is known but not the method, it returns the methods.
func (m *matcher) find(method, path string) (found *target, values, methods []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	known := map[string]bool{}
	found, values = m.root.find(method, strings.Split(path, "/")[1:], nil, known)
	if found != nil {
		return found, values, nil
	}
	for name := range known {
		methods = append(methods, name)
	}
	slices.Sort(methods)
	return nil, nil, methods
}

func (n *node) find(method string, segments, values []string, known map[string]bool) (*target, []string) {
	if len(segments) == 0 {
		for name := range n.byMethod {
			known[name] = true
		}
		return n.byMethod[method], values
	}
	head, tail := segments[0], segments[1:]
	if below := n.literal[head]; below != nil {
		if found, values := below.find(method, tail, values, known); found != nil {
			return found, values
		}
	}
	if n.wildcard != nil && head != "" {
		if found, values := n.wildcard.find(method, tail, append(slices.Clip(values), head), known); found != nil {
			return found, values
		}
	}
	if n.rest != nil {
		return n.rest.find(method, nil, append(slices.Clip(values), strings.Join(segments, "/")), known)
	}
	return nil, nil
}

// ServeHTTP calls the route of the request, or unmatched with the methods that
// the path knows in the header Allow.
func (m *matcher) serve(w http.ResponseWriter, r *http.Request, unmatched func(methods []string) http.Handler) {
	found, values, methods := m.find(r.Method, r.URL.Path)
	if found == nil {
		unmatched(methods).ServeHTTP(w, r)
		return
	}
	for i, name := range found.names {
		r.SetPathValue(name, values[i])
	}
	r.Pattern = found.route.Method + " " + found.route.Pattern
	found.handler.ServeHTTP(w, r)
}
