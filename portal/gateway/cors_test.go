package gateway_test

import (
	"net/http"
	"testing"

	"github.com/weft-run/weft/api/v1alpha1"
)

const shop = "https://shop.example"

func TestOrigins(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		origins []string
		header  http.Header
		status  int
		allowed string // Access-Control-Allow-Origin
	}{
		"NoOrigin":       {"A program has no origin.", []string{shop}, nil, 200, ""},
		"Listed":         {"A listed origin may call and read.", []string{shop}, origin(shop), 200, shop},
		"ListedCapital":  {"Browsers send small letters, owners write as they like.", []string{"HTTPS://Shop.Example"}, origin(shop), 200, shop},
		"NoneListed":     {"An empty list allows nobody.", nil, origin(shop), 403, ""},
		"Other":          {"Another origin may not, and is not reflected.", []string{shop}, origin("https://evil.example"), 403, ""},
		"Null":           {"A page without an origin is no listed one.", []string{shop}, origin("null"), 403, ""},
		"NullOfOwnPage":  {"The flow's own page may hide its origin.", nil, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, 200, ""},
		"NullOfOthers":   {"Others may not.", []string{shop}, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-site"}}, 403, ""},
		"Prefix":         {"An origin is not matched in part.", []string{shop}, origin("https://shop.example.evil.example"), 403, ""},
		"Suffix":         {"From neither side.", []string{shop}, origin("https://evilshop.example"), 403, ""},
		"Subdomain":      {"A subdomain is another origin.", []string{shop}, origin("https://a.shop.example"), 403, ""},
		"Scheme":         {"So is another scheme.", []string{shop}, origin("http://shop.example"), 403, ""},
		"Port":           {"And another port.", []string{shop}, origin("https://shop.example:8443"), 403, ""},
		"TrailingSlash":  {"And whatever no browser sends.", []string{shop}, origin("https://shop.example/"), 403, ""},
		"Empty":          {"An empty origin is no origin of ours.", []string{shop}, origin(""), 403, ""},
		"TwoOrigins":     {"Nor are two.", []string{shop}, http.Header{"Origin": {shop, shop}}, 403, ""},
		"CrossSite":      {"A browser that hides the origin but says that the page is foreign.", []string{shop}, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, ""},
		"SameSite":       {"One that says the page is ours.", []string{shop}, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200, ""},
		"MethodOverride": {"No header makes a POST something else.", []string{shop}, http.Header{"X-Http-Method-Override": {"GET"}, "Sec-Fetch-Site": {"cross-site"}}, 403, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newPod(t, nil)
			w.pods(p)
			w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.AllowedOrigins = tc.origins })
			got := w.do(call{header: tc.header, body: "{}"})
			if got.status != tc.status || got.header.Get("Access-Control-Allow-Origin") != tc.allowed {
				t.Errorf("%s\n%d, allowed %q", tc.reason, got.status, got.header.Get("Access-Control-Allow-Origin"))
			}
			if got.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s\ncredentials of the browser were allowed", tc.reason)
			}
			if got.header.Get("Vary") != "Origin" {
				t.Errorf("%s\nVary is %q", tc.reason, got.header.Get("Vary"))
			}
			if reached := len(p.requests()) > 0; reached != (tc.status == 200) {
				t.Errorf("%s\nreached the pod: %v", tc.reason, reached)
			}
		})
	}
}

func origin(o string) http.Header { return http.Header{"Origin": {o}} }

func TestSameOriginPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pods(newPod(t, nil))
	w.public(nil)
	if got := w.do(call{header: origin(w.front.URL), body: "{}"}); got.status != http.StatusOK {
		t.Errorf("the flow's own page: %d", got.status)
	}
	if got := w.do(call{header: origin("https://127.0.0.1:1"), body: "{}"}); got.status != http.StatusForbidden {
		t.Errorf("another port: %d", got.status)
	}
}

func TestPreflights(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) http.Header {
		return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"}}
	}
	cases := map[string]struct {
		reason     string
		visibility v1alpha1.Visibility
		header     http.Header
		path       string
		status     int
	}{
		"Public":        {"A listed origin may ask.", v1alpha1.VisibilityPublic, preflight(shop), "", 204},
		"Private":       {"Also where a credential will be needed, which a preflight never has.", v1alpha1.VisibilityPrivate, preflight(shop), "", 204},
		"Other":         {"Others get what they get anywhere.", v1alpha1.VisibilityPrivate, preflight("https://evil.example"), "", 401},
		"OtherOnPublic": {"Or that they may not call.", v1alpha1.VisibilityPublic, preflight("https://evil.example"), "", 403},
		"Absent":        {"As for a flow that is not there.", v1alpha1.VisibilityPrivate, preflight(shop), "/f/acme/absent", 401},
		"NoPreflight":   {"OPTIONS alone is no preflight.", v1alpha1.VisibilityPublic, origin(shop), "", 405},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newPod(t, nil)
			w.pods(p)
			w.flow(func(f *v1alpha1.Flow) {
				f.Spec.Exposure.Visibility, f.Spec.Exposure.AllowedOrigins = tc.visibility, []string{shop}
			})
			got := w.do(call{method: http.MethodOptions, path: tc.path, header: tc.header})
			if got.status != tc.status {
				t.Errorf("%s\nstatus %d, want %d", tc.reason, got.status, tc.status)
			}
			if allowed := got.header.Get("Access-Control-Allow-Origin"); tc.status == 204 && allowed != shop || tc.status != 405 && tc.status != 204 && allowed != "" {
				t.Errorf("%s\nallowed %q", tc.reason, allowed)
			}
			if len(p.requests()) != 0 {
				t.Errorf("%s\nthe pod was asked", tc.reason)
			}
		})
	}
}
