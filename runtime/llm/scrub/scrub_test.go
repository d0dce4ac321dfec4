package scrub_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/llm/scrub"
)

const key = "sk-ababac-123"

func TestText(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		secret string
		text   string
		want   string
	}{
		"none":   {"A text without the secret stays.", key, "hello", "hello"},
		"inside": {"Every occurrence goes.", key, "a " + key + " b " + key, "a [secret] b [secret]"},
		"empty":  {"Without a secret nothing happens.", "", "hello", "hello"},
		"short":  {"A secret that is too short to tell from chance is left.", "abc", "abcabc", "abcabc"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, scrub.Text(tc.text, catalog.NewSecret(tc.secret))); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	got := scrub.Value(map[string]any{
		"header": "Bearer " + key,
		"list":   []any{key, 1.0, nil, map[string]any{"deep": key}},
		key:      true,
	}, catalog.NewSecret(key))
	want := map[string]any{
		"header":   "Bearer [secret]",
		"list":     []any{"[secret]", 1.0, nil, map[string]any{"deep": "[secret]"}},
		"[secret]": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStreamAtEveryCut(t *testing.T) {
	t.Parallel()
	text := "sk-ab" + key + "sk-aba" + key + key + " end sk-abab"
	want := strings.ReplaceAll(text, key, "[secret]")
	for size := 1; size <= len(text); size++ {
		var got strings.Builder
		stream := scrub.NewStream(catalog.NewSecret(key), func(piece string) {
			if strings.Contains(got.String()+piece, key) {
				t.Errorf("pieces of %d: the secret was handed over", size)
			}
			got.WriteString(piece)
		})
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			stream.Write(rest[:n])
			rest = rest[n:]
		}
		stream.Close()
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("pieces of %d (-want +got):\n%s", size, diff)
		}
	}
}
