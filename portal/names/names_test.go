package names_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-run/weft/portal/names"
)

func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Chat gpt apikey": "chat-gpt-apikey", "  x  ": "x", "Ñandú": "nandu", "Größe": "gro-e", "ＡＢＣ": "abc", "クレジット": "",
		"a--b__c": "a-b-c", "": "", "---": "", "john.doe": "john-doe", strings.Repeat("x", 100): strings.Repeat("x", 20), strings.Repeat("x", 19) + " y": strings.Repeat("x", 19),
	} {
		if got := names.Slug(text, 20); got != want {
			t.Errorf("Slug(%q) = %q, want %q", text, got, want)
		}
	}
}

var shape = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$`)

func TestSlugIsAName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 63).Draw(rt, "limit")
		slug := names.Slug(rapid.String().Draw(rt, "text"), limit)
		if !shape.MatchString(slug) || len(slug) > limit || names.Slug(slug, limit) != slug {
			rt.Fatalf("slug %q", slug)
		}
	})
}

func TestFree(t *testing.T) {
	t.Parallel()
	var taken []string
	for range 12 {
		name, err := names.Free("ab-cdef", 8, taken)
		if err != nil || slices.Contains(taken, name) || len(name) > 8 || !shape.MatchString(name) {
			t.Fatalf("%q after %v: %v", name, taken, err)
		}
		taken = append(taken, name)
	}
	want := []string{"ab-cdef", "ab-cde-2", "ab-cde-3", "ab-cde-4", "ab-cde-5", "ab-cde-6", "ab-cde-7", "ab-cde-8", "ab-cde-9", "ab-cd-10", "ab-cd-11", "ab-cd-12"}
	if !slices.Equal(taken, want) {
		t.Errorf("names %v, want %v", taken, want)
	}
}
