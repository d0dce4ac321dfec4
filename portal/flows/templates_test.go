package flows

import (
	"encoding/json"
	"testing"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/components/start"
	"github.com/weft-run/weft/runtime/graph"
)

func testCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	cat, err := components.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	cat := testCatalog(t)
	names := map[string][]string{}
	for _, language := range []string{"en", "es"} {
		templates, err := Templates(language)
		if err != nil {
			t.Fatal(err)
		}
		for _, template := range templates {
			names[language] = append(names[language], template.Name)
			t.Run(template.Name+"/"+language, func(t *testing.T) {
				t.Parallel()
				checkTemplate(t, template, cat)
			})
		}
	}
	if len(names["en"]) < 4 {
		t.Errorf("there are %d templates, want at least three and the blank one", len(names["en"]))
	}
	if got, want := len(names["es"]), len(names["en"]); got != want {
		t.Errorf("%d templates in Spanish, %d in English", got, want)
	}
}

func checkTemplate(t *testing.T, template Template, cat *catalog.Catalog) {
	t.Helper()
	if template.Promise == "" || template.Icon == "" || template.Spec.Title == "" {
		t.Error("a template has a promise, an icon and a title")
	}
	for _, p := range graph.Validate(&template.Spec, cat) {
		t.Errorf("problem: %+v", p)
	}
	if template.Name == BlankTemplate {
		if len(template.Spec.Components) != 0 || template.Spec.Title != "blanc flow" {
			t.Error("the blank template has no steps and the owner's name")
		}
		return
	}
	if !graph.Exposable(&template.Spec, cat) {
		t.Error("a template gets an address once it is saved")
	}
	for _, step := range template.Spec.Components {
		if component, ok := cat.Lookup(step.Type); ok && component.Credential != nil && component.Credential.Required {
			t.Errorf("step %q needs a key: templates run without any", step.ID)
		}
	}
	checkSample(t, template, cat)
}

// checkSample lets the start itself judge the sample data.
func checkSample(t *testing.T, template Template, cat *catalog.Catalog) {
	t.Helper()
	var input any
	if err := json.Unmarshal(template.Input, &input); err != nil {
		t.Fatalf("the sample data cannot be read: %v", err)
	}
	form, ok := Input(&template.Spec, cat)
	if !ok || form.Kind != start.KindFields {
		t.Fatal("the template has no start with fields")
	}
	if _, err := form.Read(input); err != nil {
		t.Errorf("the start refuses the sample data: %v", err)
	}
}
