package flows

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/portal/flows/stepform"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/graph"
)

// Names of the controls of the outline's form. A step's controls begin with
// StepPrefix of its id.
const (
	FormTitle       = "title"
	FormDescription = "description"
	FormRevision    = "revision"
	FormTimestamp   = "timestamp"
	FormDo          = "do"
	FormOpen        = "open"
	FormInput       = "input."
	FormInputText   = "input"
	// FormDocument holds a whole flow as JSON, in place of the controls.
	FormDocument = "flow"
)

// StepPrefix returns what the names of a step's controls begin with.
func StepPrefix(id string) string { return "step." + id + "." }

// ParamPrefix returns what the names of a step's settings begin with.
func ParamPrefix(id string) string { return StepPrefix(id) + "p." }

// noKey, vaultKey and secretKey are the values of the control that picks a key.
const (
	noKey     = "none"
	vaultKey  = "vault:"
	secretKey = "secret:"
)

// KeyChoice returns the value of the key control for a credential.
func KeyChoice(c *v1alpha1.Credential) string {
	switch {
	case c == nil:
		return noKey
	case c.VaultKeyRef != nil:
		return vaultKey + c.VaultKeyRef.Name
	case c.SecretKeyRef != nil:
		return secretKey + c.SecretKeyRef.Name + "/" + c.SecretKeyRef.Key
	default:
		return noKey
	}
}

// VaultChoice returns the value of the key control for a key of the vault.
func VaultChoice(name string) string { return vaultKey + name }

func parseKeyChoice(text string) *v1alpha1.Credential {
	if name, ok := strings.CutPrefix(text, vaultKey); ok {
		return &v1alpha1.Credential{VaultKeyRef: &v1alpha1.VaultKeyRef{Name: name}}
	}
	if reference, ok := strings.CutPrefix(text, secretKey); ok {
		name, key, _ := strings.Cut(reference, "/")
		return &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: name, Key: key}}
	}
	return nil
}

// pastedKey is a key that was pasted into a step.
type pastedKey struct {
	Title    string
	Provider string
	Value    string
}

// readOutline puts what the form brought into the draft. Steps and settings
// that the form has no controls for stay as they are.
func readOutline(form url.Values, body *Body, cat *catalog.Catalog) error {
	spec := &body.Spec
	if form.Has(FormTitle) {
		spec.Title = shorten(tidy(form.Get(FormTitle)), maxTitle)
	}
	if form.Has(FormDescription) {
		spec.Description = shorten(tidy(form.Get(FormDescription)), 2000)
	}
	addVanished(form, spec)
	for i := range spec.Components {
		step := &spec.Components[i]
		if !form.Has(StepPrefix(step.ID) + "type") {
			continue
		}
		if err := readStep(form, step, cat); err != nil {
			return err
		}
	}
	return readInput(form, body, cat)
}

func tidy(text string) string {
	return strings.TrimSpace(clean(text))
}

// addVanished brings back steps that the form has and the draft does not: it
// was changed elsewhere, and what was typed here must not be lost.
func addVanished(form url.Values, spec *v1alpha1.FlowSpec) {
	var ids []string
	for name := range form {
		rest, ok := strings.CutPrefix(name, "step.")
		if !ok {
			continue
		}
		if id, ok := strings.CutSuffix(rest, ".type"); ok && !strings.Contains(id, ".") {
			if _, known := outline.Step(spec, id); !known {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		spec.Components = append(spec.Components, v1alpha1.Component{ID: id, Type: form.Get(StepPrefix(id) + "type")})
	}
}

func readStep(form url.Values, step *v1alpha1.Component, cat *catalog.Catalog) error {
	prefix := StepPrefix(step.ID)
	if form.Has(prefix + "name") {
		step.Name = shorten(tidy(form.Get(prefix+"name")), maxTitle)
	}
	if form.Has(prefix + "key") {
		step.Credential = parseKeyChoice(form.Get(prefix + "key"))
	}
	component, ok := cat.Lookup(step.Type)
	if !ok {
		return nil
	}
	params, err := Params(step)
	if err != nil {
		return err
	}
	return setParams(step, stepform.Parse(component.Fields, ParamPrefix(step.ID), form, params))
}

func readPasted(form url.Values, step *v1alpha1.Component, cat *catalog.Catalog) (pastedKey, bool) {
	prefix := StepPrefix(step.ID)
	value := strings.TrimSpace(form.Get(prefix + "newkey"))
	component, ok := cat.Lookup(step.Type)
	if value == "" || !ok || component.Credential == nil {
		return pastedKey{}, false
	}
	title := tidy(form.Get(prefix + "newkeyname"))
	if title == "" {
		title = component.Credential.Title
	}
	return pastedKey{Title: title, Provider: component.Credential.Provider, Value: value}, true
}

// Params returns a step's settings as JSON values.
func Params(step *v1alpha1.Component) (map[string]any, error) {
	if step.Params == nil || len(step.Params.Raw) == 0 {
		return map[string]any{}, nil
	}
	var params map[string]any
	if err := json.Unmarshal(step.Params.Raw, &params); err != nil {
		return nil, fmt.Errorf("reading the settings of a step: %w", err)
	}
	return params, nil
}

func setParams(step *v1alpha1.Component, params map[string]any) error {
	if len(params) == 0 {
		step.Params = nil
		return nil
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("writing the settings of a step: %w", err)
	}
	step.Params = &runtime.RawExtension{Raw: raw}
	return nil
}

// brokenTexts finds settings that were meant to be JSON and are not.
func brokenTexts(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) []graph.Problem {
	var problems []graph.Problem
	for i := range spec.Components {
		step := &spec.Components[i]
		component, ok := cat.Lookup(step.Type)
		params, err := Params(step)
		if !ok || err != nil {
			continue
		}
		for _, field := range component.Fields {
			if field.Type == catalog.FieldJSON && stepform.BrokenJSON(params[field.Name]) {
				problems = append(problems, graph.Problem{
					Component: step.ID, Field: "params." + field.Name, Code: graph.CodeInvalid,
					Message: "This is not complete JSON. Check the brackets, commas and quotation marks.",
				})
			}
		}
	}
	return problems
}
