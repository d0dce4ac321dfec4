package llm

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Practice is a model without a service: it needs no key and no network, and
// answers the same request with the same words. It knows nothing; it looks at
// what kind of answer is asked for and builds one out of the prompt, so that a
// flow can be built and tried before any account exists.
type Practice struct{}

var _ Model = Practice{}

// PracticeNote ends every answer of Practice.
const PracticeNote = "(Practice answer: no model was asked.)"

// maxPracticePrompt bounds how much of a prompt is looked at, in bytes.
const maxPracticePrompt = 64 << 10

// Stream implements Model. Pieces are words.
func (Practice) Stream(ctx context.Context, req Request, emit func(Delta)) (Answer, error) {
	text := practiceAnswer(lastOf(req.Messages, User)) + "\n\n" + PracticeNote
	text, cut := capWords(text, req.MaxOutputTokens)
	for rest := text; rest != ""; {
		if ctx.Err() != nil {
			return Answer{}, explain(ctx.Err(), 0)
		}
		n := wordEnd(rest)
		emit(Delta{Text: rest[:n]})
		rest = rest[n:]
	}
	return Answer{Text: text, Usage: estimate(req.Messages, text), Cut: cut}, nil
}

func lastOf(messages []Message, role Role) string {
	for _, m := range slices.Backward(messages) {
		if m.Role == role {
			return firstBytes(m.Text, maxPracticePrompt)
		}
	}
	return ""
}

// capWords cuts the text to about as many tokens, at a word's end.
func capWords(text string, tokens int) (string, bool) {
	if tokens <= 0 || tokens >= (len(text)+3)/4 {
		return text, false
	}
	limit := 4 * tokens
	end := 0
	for end < len(text) {
		n := wordEnd(text[end:])
		if end+n > limit {
			break
		}
		end += n
	}
	return text[:max(end, wordEnd(text))], true
}

// wordEnd is the length of the first word with the space that follows it.
func wordEnd(text string) int {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return len(text)
	}
	n := strings.IndexFunc(text[i:], func(r rune) bool { return !unicode.IsSpace(r) })
	if n < 0 {
		return len(text)
	}
	return i + n
}

// task is one kind of answer: asked for by one of its words, written by answer.
type task struct {
	words  []string
	answer func(instruction, material string) string
}

// tasks in the order in which they are looked for.
func tasks() []task {
	return []task{
		{[]string{"sentiment", "positive or negative", "mood"}, sentiment},
		{[]string{"translate", "translation"}, translation},
		{[]string{"summarize", "summarise", "summary", "shorten", "in short", "tl;dr"}, summary},
		{[]string{"reply", "answer this", "email", "e-mail", "letter", "respond"}, letter},
		{[]string{"list", "ideas", "bullet", "steps", "headlines", "titles", "names", "hashtags", "examples"}, list},
		{[]string{"tweet", "post", "caption", "slogan", "advert", "description", "story", "poem"}, post},
	}
}

func practiceAnswer(prompt string) string {
	instruction, material := split(prompt)
	if instruction == "" {
		return "There is nothing in the prompt yet. Write what the model should do, for example “Write a short greeting for my shop”."
	}
	asked := " " + strings.ToLower(instruction) + " "
	for _, t := range tasks() {
		if slices.ContainsFunc(t.words, func(w string) bool { return containsWord(asked, w) }) {
			return t.answer(instruction, material)
		}
	}
	if strings.HasSuffix(instruction, "?") {
		return question(instruction, material)
	}
	return general(instruction, material)
}

// containsWord finds the word at the beginning of a word: "list" is in
// "listing", and not in "stylist".
func containsWord(text, word string) bool {
	for i := 0; ; {
		at := strings.Index(text[i:], word)
		if at < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i+at])
		if !unicode.IsLetter(before) {
			return true
		}
		i += at + len(word)
	}
}

// split takes the first line as what to do and the rest as what to do it with.
// In a single line, a colon parts the two.
func split(prompt string) (instruction, material string) {
	prompt = strings.TrimSpace(prompt)
	instruction, material, _ = strings.Cut(prompt, "\n")
	instruction, material = strings.TrimSpace(instruction), strings.TrimSpace(material)
	if head, tail, ok := strings.Cut(instruction, ": "); ok && material == "" {
		return strings.TrimSpace(head), strings.TrimSpace(tail)
	}
	return strings.TrimSuffix(instruction, ":"), material
}

func summary(instruction, material string) string {
	sentences := sentencesOf(orElse(material, instruction))
	picked := sentences[:min(len(sentences), 2)]
	if len(sentences) > 3 {
		picked = append(slices.Clone(picked), sentences[len(sentences)-1])
	}
	return "In short: " + strings.Join(picked, " ")
}

func translation(instruction, material string) string {
	return "Here a model would give this text in the other language:\n\n" + firstBytes(orElse(material, instruction), 600)
}

func letter(instruction, material string) string {
	return fmt.Sprintf("Hello,\n\nthank you for your message about %s. We have read it and will take care of it. "+
		"If anything is still open, simply answer this message.\n\nKind regards", topic(instruction, material))
}

func list(instruction, material string) string {
	words := keywords(orElse(material, afterOf(instruction)))
	forms := []string{"A closer look at %s", "What people ask about %s", "%s, made simple", "A first step with %s", "The story behind %s"}
	var b strings.Builder
	for i := range itemsAsked(instruction) {
		about := "this"
		if len(words) > 0 {
			about = words[i%len(words)]
		}
		fmt.Fprintf(&b, "%d. %s\n", i+1, capitalize(fmt.Sprintf(forms[i%len(forms)], about)))
	}
	return strings.TrimSpace(b.String())
}

func post(instruction, material string) string {
	words := keywords(orElse(material, afterOf(instruction)))
	about := topic(instruction, material)
	tags := make([]string, 0, 3)
	for _, word := range words[:min(len(words), 3)] {
		tags = append(tags, "#"+strings.ToLower(word))
	}
	return strings.TrimSpace(fmt.Sprintf("%s: made with care, and ready for you today. Come and see! %s", capitalize(about), strings.Join(tags, " ")))
}

func sentiment(instruction, material string) string {
	score := 0
	for _, word := range wordsOf(orElse(material, instruction)) {
		switch {
		case slices.Contains(strings.Fields("good great love happy excellent nice thanks perfect best fast friendly recommend"), word):
			score++
		case slices.Contains(strings.Fields("bad poor hate angry terrible broken slow worst late wrong never disappointed"), word):
			score--
		}
	}
	switch {
	case score > 0:
		return "positive"
	case score < 0:
		return "negative"
	}
	return "neutral"
}

func question(instruction, material string) string {
	if material != "" {
		return fmt.Sprintf("About %s, the text says: %s", topic(instruction, ""), sentencesOf(material)[0])
	}
	return fmt.Sprintf("That depends on a few things. For %s, start with what matters most to you, compare two or three ways, and try the simplest one first.", topic(instruction, material))
}

func general(instruction, material string) string {
	if material != "" {
		return fmt.Sprintf("%s\n\nDone with: %s", instruction, strings.Join(sentencesOf(material)[:1], " "))
	}
	return fmt.Sprintf("Here is a first draft about %s. A model would now write it out; what you asked for was: “%s”.", topic(instruction, material), firstBytes(instruction, 300))
}

// topic is what the text is about, in up to three words.
func topic(instruction, material string) string {
	words := keywords(orElse(material, afterOf(instruction)))
	if len(words) == 0 {
		return "this"
	}
	return strings.Join(words[:min(len(words), 3)], " ")
}

// afterOf drops what stands before the first "about", "for", "of" or "on".
func afterOf(instruction string) string {
	for _, word := range []string{" about ", " for ", " on ", " of "} {
		if _, after, ok := strings.Cut(instruction, word); ok {
			return after
		}
	}
	return instruction
}

// keywords are the words that carry meaning, in order, each once.
func keywords(text string) []string {
	var out []string
	for _, word := range wordsOf(text) {
		if utf8.RuneCountInString(word) > 2 && !slices.Contains(stopWords(), word) && !slices.Contains(out, word) {
			out = append(out, word)
		}
		if len(out) == 8 {
			break
		}
	}
	return out
}

func stopWords() []string {
	return strings.Fields("the and for with that this from are was were you your our their they have has will would should could can not but all any one two " +
		"three four five what when where which who why how please write make give list ideas text about into some very more most than then them its per " +
		"summarize translate create tell explain answer short")
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(firstBytes(text, 4096)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '\''
	})
}

func sentencesOf(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var out []string
	for rest := text; rest != "" && len(out) < 50; {
		end := len(rest)
		for _, stop := range []string{". ", "! ", "? "} {
			if i := strings.Index(rest, stop); i >= 0 && i+1 < end {
				end = i + 1
			}
		}
		out = append(out, firstBytes(rest[:end], 300))
		rest = strings.TrimSpace(rest[end:])
	}
	if len(out) == 0 {
		return []string{""}
	}
	return out
}

// itemsAsked is the first number in the instruction, from 1 to 10; otherwise 3.
func itemsAsked(instruction string) int {
	digits := regexp.MustCompile(`\d+`).FindString(instruction)
	if n, err := strconv.Atoi(digits); err == nil && n >= 1 && n <= 10 {
		return n
	}
	return 3
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

func capitalize(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(r)) + text[size:]
}

// firstBytes cuts text to at most limit bytes, between characters.
func firstBytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
