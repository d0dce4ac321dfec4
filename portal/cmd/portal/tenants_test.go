package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/portaltest"
)

// bodies are valid bodies of the routes that name an object in their path, so
// that nothing but the object can be wrong with a request. A route that is
// added without one breaks the test; "-" stands for no body.
var bodies = map[string]string{
	"POST /apikey/delete/{id}":                   "-",
	"DELETE /apikey/delete/{id}":                 "-",
	"POST /apikey/{id}/rotate":                   `{"key":"sk-0123456789abcdef"}`,
	"GET /flow/{id}":                             "-",
	"GET /flow/{id}/versions":                    "-",
	"GET /flow/{id}/export":                      "-",
	"GET /flow/{id}/share":                       "-",
	"GET /flow/{id}/endpoint-keys":               "-",
	"POST /flow/{id}/draft":                      `{"revision":1,"flow":{"name":"n","components":[],"edges":[]}}`,
	"POST /flow/{id}/save":                       `{"timestamp":"1","flow":{"name":"n","components":[],"edges":[]}}`,
	"POST /flow/{id}/run":                        `{"input":{}}`,
	"POST /flow/{id}/restore":                    `{"version":1}`,
	"POST /flow/{id}/duplicate":                  "-",
	"POST /flow/{id}/visibility":                 `{"visibility":"Private"}`,
	"POST /flow/{id}/undelete":                   "-",
	"POST /flow/{id}/endpoint-keys":              `{"name":"n","days":1}`,
	"POST /flow/{id}/endpoint-keys/{key}/delete": "-",
	"POST /flow/delete/{id}":                     "-",
	"DELETE /flow/delete/{id}":                   "-",
}

// TestTenantsCannotTouchEachOther holds promise T1 for two users: every route
// that names an object, with the other's object and with one that is not there,
// answers the same 404, byte for byte.
func TestTenantsCannotTouchEachOther(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	owner, _ := w.SignUp(t, "owner@example.com")
	thief, _ := w.SignUp(t, "thief@example.com")
	made := owner.JSON(t, "/flow/create?template=blanc", struct{}{})
	flow := made.Text(t, "flow", "id")
	key := owner.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": "sk-0123456789abcdef"}).Text(t, "id")
	endpoint := owner.JSON(t, "/flow/"+flow+"/endpoint-keys", map[string]any{"name": "n", "days": 1}).Text(t, "id")
	if flow == "" || key == "" || endpoint == "" {
		t.Fatalf("flow %q, key %q, endpoint key %q: %s", flow, key, endpoint, made.Body)
	}
	before := owner.Get(t, "/flow/"+flow).Body + owner.Get(t, "/apikeys").Body + owner.Get(t, "/flow/"+flow+"/endpoint-keys").Body

	for _, route := range w.routes {
		if !strings.Contains(route.Pattern, "{") || route.Pattern == "/{$}" {
			continue
		}
		name := route.Method + " " + route.Pattern
		body, ok := bodies[name]
		if !ok {
			t.Errorf("%s names an object and has no row in this matrix", name)
			continue
		}
		object := flow
		if strings.HasPrefix(route.Pattern, "/apikey/") {
			object = key
		}
		ask := func(id, inner string) portaltest.Answer {
			path := strings.NewReplacer("{id}", id, "{key}", inner).Replace(route.Pattern)
			answer := thief.Do(t, route.Method, path, "application/json", strings.TrimPrefix(body, "-"))
			answer.Header.Del("Date")
			return answer
		}
		foreign, absent, nonsense := ask(object, endpoint), ask(uuid.NewString(), uuid.NewString()), ask("no-id", "no-id")
		if absent.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s for what is not there", name, absent.Status, absent.Body)
		}
		if diff := cmp.Diff(absent, foreign); diff != "" {
			t.Errorf("%s: another's object differs from none (-none +another's):\n%s", name, diff)
		}
		if diff := cmp.Diff(absent, nonsense); diff != "" {
			t.Errorf("%s: nonsense differs from none (-none +nonsense):\n%s", name, diff)
		}
	}
	after := owner.Get(t, "/flow/"+flow).Body + owner.Get(t, "/apikeys").Body + owner.Get(t, "/flow/"+flow+"/endpoint-keys").Body
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the owner's objects changed (-before +after):\n%s", diff)
	}
	if lists := thief.Get(t, "/flows").Body + thief.Get(t, "/apikeys").Body + thief.Get(t, "/events?wait=0").Body; strings.Contains(lists, flow) || strings.Contains(lists, key) {
		t.Errorf("a list shows another's objects: %s", lists)
	}
}
