package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status"
	"github.com/weft-run/weft/runtime/graph"
)

// lookUpReferences finds out which of the things that the spec names do not
// exist. They are looked for in the flow's own namespace, and nowhere else.
func (s *flowScope) lookUpReferences(ctx context.Context) error {
	if s.workspace == nil {
		return nil
	}
	secrets := graph.Secrets(&s.flow.Spec)
	missing, unchecked := missingSecrets(ctx, s.Live, s.flow.Namespace, secrets)
	vault, err := missingVaultKeys(ctx, s.Client, s.flow.Namespace, graph.VaultKeys(&s.flow.Spec))
	if err != nil {
		return err
	}
	missing = append(missing, vault...)
	for _, m := range missing {
		s.observed.Missing = append(s.observed.Missing, status.Missing{
			Reason: m.reason, Message: m.message + usedBy(&s.flow.Spec, m.matches),
		})
	}
	s.observed.Unchecked = unchecked
	switch {
	case len(missing) > 0 || unchecked != "":
		s.outcome.again = sooner(s.outcome.again, whileMissing)
	case len(secrets) > 0:
		s.outcome.again = sooner(s.outcome.again, whileResolved)
	}
	return nil
}

// missingRef is a reference to something that does not exist.
type missingRef struct {
	reason, message string
	matches         func(*v1alpha1.Credential) bool
}

// missingSecrets reads each Secret by its name and keeps nothing of it. The
// second result says which could not be read, if so.
func missingSecrets(ctx context.Context, live client.Reader, namespace string, refs []v1alpha1.SecretKeyRef) ([]missingRef, string) {
	var missing []missingRef
	var unchecked []string
	keys := map[string]map[string]bool{}
	for _, ref := range refs {
		found, known := keys[ref.Name]
		if !known {
			var err error
			if found, err = secretKeys(ctx, live, types.NamespacedName{Namespace: namespace, Name: ref.Name}); err != nil {
				unchecked = append(unchecked, err.Error())
			}
			keys[ref.Name] = found
		}
		if found == nil || found[ref.Key] {
			continue
		}
		message := fmt.Sprintf("Secret %q has no key %q", ref.Name, ref.Key)
		if len(found) == 0 {
			message = fmt.Sprintf("there is no Secret %q with a key %q in this namespace", ref.Name, ref.Key)
		}
		missing = append(missing, missingRef{
			reason: v1alpha1.ReasonSecretNotFound, message: message,
			matches: func(c *v1alpha1.Credential) bool { return c.SecretKeyRef != nil && *c.SecretKeyRef == ref },
		})
	}
	return missing, strings.Join(unchecked, "; ")
}

// secretKeys returns the names of a Secret's keys; none where it does not
// exist, nil where that is unknown.
func secretKeys(ctx context.Context, live client.Reader, key types.NamespacedName) (map[string]bool, error) {
	secret := new(corev1.Secret)
	if err := live.Get(ctx, key, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", key.Name, err)
	}
	names := make(map[string]bool, len(secret.Data))
	for name := range secret.Data {
		names[name] = true
	}
	return names, nil
}

// missingVaultKeys looks into the list of the vault's keys that the portal
// keeps in the namespace.
func missingVaultKeys(ctx context.Context, cache client.Reader, namespace string, names []string) ([]missingRef, error) {
	if len(names) == 0 {
		return nil, nil
	}
	index := new(corev1.ConfigMap)
	err := cache.Get(ctx, types.NamespacedName{Namespace: namespace, Name: render.VaultIndexName}, index)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", render.VaultIndexName, err)
	}
	var missing []missingRef
	for _, name := range names {
		if _, ok := index.Data[name]; ok {
			continue
		}
		missing = append(missing, missingRef{
			reason:  v1alpha1.ReasonVaultKeyNotFound,
			message: fmt.Sprintf("the vault has no key %q for this workspace", name),
			matches: func(c *v1alpha1.Credential) bool { return c.VaultKeyRef != nil && c.VaultKeyRef.Name == name },
		})
	}
	return missing, nil
}

// usedBy names the components that a reference is from.
func usedBy(spec *v1alpha1.FlowSpec, matches func(*v1alpha1.Credential) bool) string {
	var ids []string
	for i := range spec.Components {
		if c := &spec.Components[i]; c.Credential != nil && matches(c.Credential) {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	switch {
	case len(ids) == 0:
		return ""
	case len(ids) > 3:
		return fmt.Sprintf(" (components %s and %d more)", strings.Join(ids[:3], ", "), len(ids)-3)
	case len(ids) > 1:
		return fmt.Sprintf(" (components %s)", strings.Join(ids, ", "))
	default:
		return fmt.Sprintf(" (component %s)", ids[0])
	}
}
