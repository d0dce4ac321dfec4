package graph

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/expr"
)

// Bounds of a flow. The CRD has the same ones; they are checked here too, as
// not every flow comes through it.
const (
	MaxTitle       = 120
	MaxDescription = 2000
	MaxComponents  = 500
	MaxEdges       = 2000
	MaxParamsBytes = 64 << 10
	// MaxAllParamsBytes leaves room in a ConfigMap, which holds 1 MiB.
	MaxAllParamsBytes = 768 << 10
)

// idPattern says whether the text is an id of a component or edge.
func idPattern(s string) bool {
	return within(s, 63, func(c byte) bool { return c == '-' || alphanumeric(c) })
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// slugPattern says whether the text is lower-case words joined by dashes.
func slugPattern(s string) bool {
	return within(s, 63, func(c byte) bool { return c == '-' || alphanumeric(c) && (c < 'A' || c > 'Z') }) &&
		!strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-")
}

func within(s string, most int, ok func(c byte) bool) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// pattern is a regular expression that is compiled when it is first needed.
func pattern(text string) func(string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
	return func(s string) bool { return compiled().MatchString(s) }
}

var (
	secretNamePattern = pattern(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	secretKeyPattern  = pattern(`^[A-Za-z0-9._-]{1,253}$`)
	hostPattern       = pattern(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
	originPattern     = pattern(`^https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`)
	egressPattern     = pattern(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?)*(:[0-9]{1,5})?$`)
)

// flowBounds checks what is not about components and edges.
func (v *validator) flowBounds() {
	s := v.spec
	v.length("title", s.Title, MaxTitle)
	v.length("description", s.Description, MaxDescription)
	v.exposure(&s.Exposure)
	v.runtime(&s.Runtime)
	v.oneOf("state", string(s.State), string(v1alpha1.StateRunning), string(v1alpha1.StatePaused))
	v.between32("revisionHistoryLimit", s.RevisionHistoryLimit, 0, 50)
}

func (v *validator) exposure(e *v1alpha1.Exposure) {
	v.oneOf("exposure.visibility", string(e.Visibility),
		string(v1alpha1.VisibilityPrivate), string(v1alpha1.VisibilityTeam), string(v1alpha1.VisibilityPublic))
	v.oneOf("exposure.page", string(e.Page),
		string(v1alpha1.PageNone), string(v1alpha1.PageForm), string(v1alpha1.PageChat))
	if e.Host != "" && (len(e.Host) > 253 || !hostPattern(e.Host)) {
		v.problems.addf("", "exposure.host", CodeInvalid, "%s is not a host name like flow.example.org", expr.Quote(e.Host))
	}
	v.set("exposure.allowedOrigins", e.AllowedOrigins, func(s string) bool { return originPattern(s) }, "an origin like https://example.org")
	if e.MaxBodyBytes < 0 || e.MaxBodyBytes > 64<<20 {
		v.problems.add("", "exposure.maxBodyBytes", CodeInvalid, "this must be between 1 and 67108864 bytes")
	}
	if r := e.RateLimit; r != nil {
		v.between32("exposure.rateLimit.requestsPerMinute", r.RequestsPerMinute, 1, 1_000_000)
		v.between32("exposure.rateLimit.perCallerPerMinute", r.PerCallerPerMinute, 1, 1_000_000)
		if r.PerDay != nil && (*r.PerDay < 1 || *r.PerDay > 100_000_000) {
			v.problems.add("", "exposure.rateLimit.perDay", CodeInvalid, "this must be between 1 and 100000000")
		}
	}
}

func (v *validator) runtime(r *v1alpha1.Runtime) {
	v.oneOf("runtime.mode", string(r.Mode), string(v1alpha1.RuntimeDedicated))
	v.duration("", "runtime.idleTimeout", r.IdleTimeout, time.Minute, 24*time.Hour)
	v.duration("", "runtime.runTimeout", r.RunTimeout, time.Second, time.Hour)
	v.between32("runtime.maxConcurrentRuns", r.MaxConcurrentRuns, 1, 10_000)
	if r.Resources != nil {
		v.amounts("runtime.resources.limits", r.Resources.Limits)
		v.amounts("runtime.resources.requests", r.Resources.Requests)
	}
	if r.Egress != nil {
		v.set("runtime.egress.allow", r.Egress.Allow, egressEntry, "a host name, an address or a range like 10.0.0.0/8")
	}
	if n := r.Replicas; n != nil {
		v.between32("runtime.replicas.min", n.Min, 0, 100)
		v.between32("runtime.replicas.max", n.Max, 1, 100)
		if n.Min != nil && n.Max != nil && *n.Min > *n.Max {
			v.problems.add("", "runtime.replicas.min", CodeInvalid, "min must not be larger than max")
		}
	}
}

func egressEntry(s string) bool {
	if len(s) > 253 {
		return false
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return true
	}
	return egressPattern(s)
}

func (v *validator) amounts(field string, a *v1alpha1.ResourceAmounts) {
	if a == nil {
		return
	}
	v.amount(field+".cpu", a.CPU, "10m", "64")
	v.amount(field+".memory", a.Memory, "16Mi", "4Gi")
}

func (v *validator) amount(field string, q *resource.Quantity, least, most string) {
	if q != nil && (q.Cmp(resource.MustParse(least)) < 0 || q.Cmp(resource.MustParse(most)) > 0) {
		v.problems.addf("", field, CodeInvalid, "this must be between %s and %s", least, most)
	}
}

// length checks a text for people.
func (v *validator) length(field, s string, most int) { v.componentLength("", field, s, most) }

func (v *validator) componentLength(component, field, s string, most int) {
	switch {
	case !utf8.ValidString(s):
		v.problems.add(component, field, CodeInvalid, "this is not valid UTF-8")
	case utf8.RuneCountInString(s) > most:
		v.problems.addf(component, field, CodeTooLarge, "this must not be longer than %d characters", most)
	}
}

// oneOf checks a word of a closed list. Absent means its default.
func (v *validator) oneOf(field, s string, words ...string) { v.componentOneOf("", field, s, words...) }

func (v *validator) componentOneOf(component, field, s string, words ...string) {
	if s == "" || slices.Contains(words, s) {
		return
	}
	v.problems.addf(component, field, CodeInvalid, "%s is not allowed; use %s", expr.Quote(s), strings.Join(words, " or "))
}

func (v *validator) between32(field string, n *int32, least, most int32) {
	if n != nil && (*n < least || *n > most) {
		v.problems.addf("", field, CodeInvalid, "this must be between %d and %d", least, most)
	}
}

func (v *validator) duration(component, field string, d *metav1.Duration, least, most time.Duration) {
	if d != nil && (d.Duration < least || d.Duration > most) {
		v.problems.addf(component, field, CodeInvalid, "this must be between %s and %s", plainDuration(least), plainDuration(most))
	}
}

// plainDuration writes 1h instead of 1h0m0s.
func plainDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// set checks a list of at most 50 different texts.
func (v *validator) set(field string, list []string, ok func(string) bool, what string) {
	const most = 50
	if len(list) > most {
		v.problems.addf("", field, CodeTooLarge, "there must not be more than %d", most)
		return
	}
	seen := map[string]bool{}
	for i, s := range list {
		switch {
		case !ok(s):
			v.problems.addf("", index(field, i), CodeInvalid, "%s is not %s", expr.Quote(s), what)
		case seen[s]:
			v.problems.addf("", index(field, i), CodeDuplicate, "%s is there twice; remove one", expr.Quote(s))
		}
		seen[s] = true
	}
}
