package flows

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/api/v1alpha1"
)

// BlankTemplate is the name of the template without steps.
const BlankTemplate = "blanc"

//go:embed templates/*.yaml
var templateFiles embed.FS

// Template is a flow to begin with.
type Template struct {
	// Name of the template, the same in every language.
	Name     string `json:"-"`
	Language string `json:"-"`
	// Icon and Order in the list.
	Icon  string `json:"icon"`
	Order int    `json:"order"`
	// Promise says in one sentence what it does.
	Promise string `json:"promise"`
	// Input is sample data to try it with.
	Input json.RawMessage   `json:"input,omitempty"`
	Spec  v1alpha1.FlowSpec `json:"spec"`
}

var readTemplates = sync.OnceValues(func() ([]Template, error) {
	names, err := fs.Glob(templateFiles, "templates/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("looking for templates: %w", err)
	}
	var templates []Template
	for _, file := range names {
		t, err := readTemplate(file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		templates = append(templates, t)
	}
	slices.SortStableFunc(templates, func(a, b Template) int { return a.Order - b.Order })
	return templates, nil
})

func readTemplate(file string) (Template, error) {
	data, err := templateFiles.ReadFile(file)
	if err != nil {
		return Template{}, fmt.Errorf("opening it: %w", err)
	}
	var t Template
	if err := yaml.UnmarshalStrict(data, &t); err != nil {
		return Template{}, fmt.Errorf("decoding it: %w", err)
	}
	t.Name, t.Language, _ = strings.Cut(strings.TrimSuffix(path.Base(file), ".yaml"), ".")
	return t, nil
}

// Templates returns the templates in a language, in the order in which they are
// shown; the blank one is last.
func Templates(language string) ([]Template, error) {
	all, err := readTemplates()
	if err != nil {
		return nil, err
	}
	var found []Template
	for _, t := range all {
		if t.Language == language {
			found = append(found, t)
		}
	}
	return found, nil
}

// FindTemplate returns the template of that name, in the language or else in
// English.
func FindTemplate(name, language string) (Template, bool) {
	for _, wanted := range []string{language, "en"} {
		templates, err := Templates(wanted)
		if err != nil {
			return Template{}, false
		}
		for _, t := range templates {
			if t.Name == name {
				return t, true
			}
		}
	}
	return Template{}, false
}
