package llm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

func practice(t *testing.T, req Request) (Answer, []string) {
	t.Helper()
	var pieces []string
	answer, err := Practice{}.Stream(t.Context(), req, func(d Delta) { pieces = append(pieces, d.Text) })
	if err != nil {
		t.Fatalf("practice answer: %v", err)
	}
	return answer, pieces
}

func user(text string) []Message { return []Message{{Role: User, Text: text}} }

func TestPracticeFitsWhatIsAsked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		prompt string
		want   []string
	}{
		"list":        {"A list has as many items as asked for.", "Give me 4 ideas for a blog about Ethiopian coffee", []string{"1. ", "4. ", "ethiopian", "coffee"}},
		"summary":     {"A summary repeats what the text begins and ends with.", "Summarize this:\nTea is old. It came from China. Many drink it. It is now everywhere.", []string{"In short: Tea is old. It came from China. It is now everywhere."}},
		"letter":      {"A reply is a letter.", "Write a friendly reply to this customer:\nMy parcel is late, where is my parcel?", []string{"Hello,", "parcel", "Kind regards"}},
		"translation": {"What cannot be done is said.", "Translate to French: Good morning", []string{"other language", "Good morning"}},
		"sentiment":   {"A mood is one word.", "What is the sentiment of this review?\nGreat shop, fast delivery!", []string{"positive"}},
		"post":        {"A post ends in tags.", "Write a tweet about handmade candles", []string{"Handmade candles", "#handmade", "#candles"}},
		"question":    {"A question is answered about its topic.", "How do I choose running shoes?", []string{"running", "shoes"}},
		"other":       {"Anything else is a draft about its topic.", "Describe winter gardens", []string{"winter gardens"}},
		"empty":       {"An empty prompt gets help.", "  \n ", []string{"nothing in the prompt"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, _ := practice(t, Request{Messages: user(tc.prompt)})
			for _, want := range append(tc.want, PracticeNote) {
				if !strings.Contains(answer.Text, want) {
					t.Errorf("%s\n%q is not in:\n%s", tc.reason, want, answer.Text)
				}
			}
		})
	}
}

func TestPracticeIsTheSameEachTimeAndInPieces(t *testing.T) {
	t.Parallel()
	req := Request{Messages: append([]Message{{Role: System, Text: "Be brief."}}, user("List 5 uses of an old brick")...)}
	first, pieces := practice(t, req)
	second, _ := practice(t, req)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two answers differ (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(first.Text, strings.Join(pieces, "")); diff != "" {
		t.Errorf("the pieces are not the answer (-answer +pieces):\n%s", diff)
	}
	if len(pieces) < 10 || first.Usage.Input == 0 || first.Usage.Output == 0 {
		t.Errorf("got %d pieces and usage %+v, want words and counts", len(pieces), first.Usage)
	}
}

func TestPracticeObeysTheCap(t *testing.T) {
	t.Parallel()
	answer, _ := practice(t, Request{Messages: user("List 9 ideas"), MaxOutputTokens: 5})
	if len(answer.Text) > 20 || answer.Text == "" || !answer.Cut {
		t.Errorf("got %q (cut: %v), want at most 5 tokens", answer.Text, answer.Cut)
	}
}

func TestPracticeStopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Practice{}.Stream(ctx, Request{Messages: user("List 9 ideas")}, func(Delta) { cancel() })
	var problem *catalog.Error
	if !errors.As(err, &problem) || problem.Code != v1alpha1.ErrorCanceled {
		t.Errorf("got %v, want it to be canceled", err)
	}
}

func FuzzPractice(f *testing.F) {
	for _, seed := range []string{"", "List 3 ideas", "Summarize: . . ? !", "Ω\xff\x00: \n\n", "reply:\n", "99999999999999999999 ideas", "?"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, prompt string, limit int) {
		answer, _ := practice(t, Request{Messages: user(prompt), MaxOutputTokens: limit})
		if answer.Text == "" || (utf8.ValidString(prompt) && !utf8.ValidString(answer.Text)) {
			t.Errorf("prompt %q gave %q", prompt, answer.Text)
		}
	})
}
