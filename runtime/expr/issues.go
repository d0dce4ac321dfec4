package expr

import (
	"regexp"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
)

// syntaxErrors says in plain words what the parser did not understand. Only
// the first counts: those after it are mostly its consequences.
func syntaxErrors(issues *cel.Issues, at Position) []*Error {
	first := issues.Errors()[0]
	where := at.within(first.Location.Line(), first.Location.Column())
	text := first.Message
	switch {
	case strings.Contains(text, "limit exceeded"), strings.Contains(text, "recursion depth"):
		return []*Error{errorAt(TooLarge, at, "the expression is too deep or too long; do it in several steps")}
	case strings.Contains(text, "<EOF>' expecting"), strings.Contains(text, "input '<EOF>'"):
		return []*Error{errorAt(Invalid, where, "the expression ends too early; something is missing here")}
	case strings.Contains(text, "token recognition error"):
		return []*Error{errorAt(Invalid, where, "this character does not belong here, or a quote is not closed")}
	}
	word := quotedWord(text)
	if field, ok := strings.CutPrefix(word, "."); ok && keyword(field) {
		return []*Error{errorAt(Invalid, where, "%s is a word of the language; write [%q] instead of .%s", field, field, field)}
	}
	if word != "" {
		return []*Error{errorAt(Invalid, where, "%s does not belong here", Quote(word))}
	}
	return []*Error{errorAt(Invalid, where, "this is not an expression")}
}

// checkErrors says in plain words which parts do not fit together.
func checkErrors(issues *cel.Issues, at Position) []*Error {
	var errs []*Error
	for _, issue := range issues.Errors() {
		where := at.within(issue.Location.Line(), issue.Location.Column())
		errs = append(errs, errorAt(Invalid, where, "%s", checkMessage(issue.Message)))
	}
	return errs
}

func checkMessage(text string) string {
	if name, ok := strings.CutPrefix(text, "undeclared reference to "); ok {
		return "there is no function " + Quote(quotedWord(name))
	}
	if strings.HasPrefix(text, "found no matching overload") {
		return noOverload(text)
	}
	if strings.Contains(text, "limit exceeded") {
		return "the expression is too deep or too long; do it in several steps"
	}
	return "the parts of the expression do not fit together here"
}

// noOverload turns "found no matching overload for '_+_' applied to
// '(string, int)'" into words.
func noOverload(text string) string {
	parts := quoted().FindAllStringSubmatch(text, 2)
	if len(parts) != 2 {
		return "the parts of the expression do not fit together here"
	}
	name := strings.Trim(parts[0][1], "_@")
	types := plainTypes(parts[1][1])
	hint := ""
	if name == "+" && strings.Contains(types, "text") {
		hint = "; string(…) makes a text of a value"
	}
	return Quote(name) + " does not work with " + types + hint
}

// plainTypes names CEL's types as the rest of Weft does.
func plainTypes(list string) string {
	const most = 80
	if len(list) > most {
		return "these types"
	}
	return strings.NewReplacer(
		"google.protobuf.Timestamp", "time", "google.protobuf.Duration", "duration",
		"string", "text", "double", "number", "uint", "number", "int", "number", "bool", "true/false",
		"dyn", "any", "null_type", "null", "map(", "object(",
	).Replace(list)
}

func quotedWord(text string) string {
	if m := quoted().FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var quoted = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`'([^']*)'`) })
