package guard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

func checkRedirect(req *http.Request, via []*http.Request) error {
	limit, asked := req.Context().Value(redirectsKey).(int)
	if !asked {
		return http.ErrUseLastResponse
	}
	if len(via) > limit {
		return &catalog.Error{
			Code:    v1alpha1.ErrorUpstream,
			Message: "The address leads to another one again and again. Use the address that it should end at.",
		}
	}
	previous := via[len(via)-1].URL
	if previous.Scheme == "https" && req.URL.Scheme == "http" {
		return &catalog.Error{
			Code:    v1alpha1.ErrorBlocked,
			Message: "The address leads from https to http, which others could read. Use the address that it should end at.",
		}
	}
	if !sameOrigin(previous, req.URL) {
		keepHarmless(req.Header)
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// keepHarmless drops every header that could carry a key. net/http drops the
// ones that it knows; a key may be in any.
func keepHarmless(header http.Header) {
	for name := range header {
		switch name {
		case "Accept", "Accept-Language", "Content-Type", "User-Agent":
		default:
			delete(header, name)
		}
	}
}
