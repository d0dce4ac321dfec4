package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components"
)

func decode(t *testing.T, data []byte) map[string]string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func readMessages(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("messages", name))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, data)
}

// TestStepTypesAreTranslated: a step type that is added without its Spanish
// words breaks the build.
func TestStepTypesAreTranslated(t *testing.T) {
	t.Parallel()
	cat, err := components.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	words := readMessages(t, "es.catalog.json")
	seen := map[string]bool{}
	need := func(key, english string) {
		seen[key] = true
		if english != "" && words[key] == "" {
			t.Errorf("es.catalog.json lacks %s: %q", key, english)
		}
	}
	for _, c := range cat.All() {
		key := "step." + c.Type
		need(key+".title", c.Title)
		need(key+".summary", c.Summary)
		for _, port := range c.Outputs {
			need(key+".port."+port.Name, port.Title)
		}
		needFields(key, c.Fields, need)
		if c.Credential != nil {
			need("key."+c.Credential.Provider, c.Credential.Title)
		}
	}
	for key := range words {
		if !seen[key] {
			t.Errorf("es.catalog.json has %s, which no step type has", key)
		}
	}
}

func needFields(key string, fields []catalog.Field, need func(key, english string)) {
	for _, field := range fields {
		at := key + "." + field.Name
		need(at+".label", field.Label)
		need(at+".help", field.Help)
		for _, option := range field.Options {
			// A value that is a word of a protocol is the same in every language.
			if option.Label != option.Value {
				need(at+".option."+option.Value, option.Label)
			}
		}
		needFields(at, field.Items, need)
	}
}

var (
	inTemplates = regexp.MustCompile(`\bt "([a-z][A-Za-z.-]*)"`)
	inCode      = regexp.MustCompile(`(?:text|SetFlash)\((?:w, )?"([a-z]+\.[A-Za-z.-]*[a-z])"|"((?:flash|outline|problem|share)\.[a-z-]+)"`)
)

// TestEveryMessageIsUsed: keys in templates and code have a message, and
// messages have a place where they are shown.
func TestEveryMessageIsUsed(t *testing.T) {
	t.Parallel()
	messages := readMessages(t, "en.json")
	used := map[string]bool{}
	for _, pattern := range []string{"pages/*.html", "*.go", "../flows/*.go", "../flows/outline/*.go", "../flows/stepform/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				collect(string(data), used)
			}
		}
	}
	for key := range used {
		if messages[key] == "" {
			t.Errorf("en.json lacks %s", key)
		}
	}
	computed := []string{"status.", "visibility.", "group.", "form.map-", "flow.input"}
	for key := range messages {
		known := slices.ContainsFunc(computed, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		if !used[key] && !known {
			t.Errorf("en.json has %s, which nothing shows", key)
		}
	}
}

func collect(source string, used map[string]bool) {
	for _, match := range inTemplates.FindAllStringSubmatch(source, -1) {
		used[match[1]] = true
	}
	for _, match := range inCode.FindAllStringSubmatch(source, -1) {
		for _, key := range match[1:] {
			if key != "" {
				used[key] = true
			}
		}
	}
}
