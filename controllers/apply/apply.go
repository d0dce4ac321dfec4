package apply

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Manager is the field manager of everything that the operator applies.
const Manager = "weft-operator"

// Errors that callers tell apart.
var (
	// ErrForeign: an object of that name exists and belongs to something else.
	ErrForeign = errors.New("exists already and belongs to something else")
	// ErrGoing: an object of that name is being deleted; it can be made again
	// when it is gone.
	ErrGoing = errors.New("is still being deleted")
)

// ObjectError says which object an error is about.
type ObjectError struct {
	Kind, Name string
	Err        error
}

// Error names the object and the error.
func (e *ObjectError) Error() string { return fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Err) }

// Unwrap returns the error.
func (e *ObjectError) Unwrap() error { return e.Err }

// Applier applies and deletes objects on behalf of an owner.
type Applier struct {
	// Client reads from the cache and writes to the API.
	Client client.Client
	// Live reads from the API.
	Live client.Reader
	// Changed says, after a call, whether an object was changed or deleted by
	// this or an earlier call.
	Changed bool
}

// Apply makes the objects, in their order, what they should be, owned by owner.
// An object that is already so costs no call.
func (a *Applier) Apply(ctx context.Context, owner client.Object, objects ...client.Object) error {
	for _, object := range objects {
		if err := a.applyOne(ctx, owner, object); err != nil {
			return a.describe(object, err)
		}
	}
	return nil
}

// Ensure makes the objects where they do not exist, and leaves them alone where
// they do. It is for objects that never change.
func (a *Applier) Ensure(ctx context.Context, owner client.Object, objects ...client.Object) error {
	for _, object := range objects {
		live, exists, err := a.live(ctx, object)
		if err == nil && exists {
			err = owned(live, owner)
		} else if err == nil {
			err = a.applyOne(ctx, owner, object)
		}
		if err != nil {
			return a.describe(object, err)
		}
	}
	return nil
}

// Delete deletes the objects, if they exist and belong to owner.
func (a *Applier) Delete(ctx context.Context, owner client.Object, objects ...client.Object) error {
	for _, object := range objects {
		if err := a.deleteOne(ctx, owner, object); err != nil {
			return a.describe(object, err)
		}
	}
	return nil
}

func (a *Applier) describe(object client.Object, err error) error {
	kind := reflect.TypeOf(object).Elem().Name()
	return &ObjectError{Kind: kind, Name: object.GetName(), Err: err}
}

func (a *Applier) applyOne(ctx context.Context, owner, object client.Object) error {
	config, err := a.configuration(owner, object)
	if err != nil {
		return err
	}
	live, exists, err := a.live(ctx, object)
	if err != nil {
		return err
	}
	version := ""
	if exists {
		if err := owned(live, owner); err != nil {
			return err
		}
		if same, err := settled(live, config); err != nil || same {
			return err
		}
		// A stale view of the object must not undo what somebody else, such
		// as a newer leader, has done since.
		version = live.GetResourceVersion()
		config.SetResourceVersion(version)
	}
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(config),
		client.FieldOwner(Manager), client.ForceOwnership)
	a.Changed = a.Changed || config.GetResourceVersion() != version
	if err != nil {
		return fmt.Errorf("applying it: %w", err)
	}
	return nil
}

func (a *Applier) configuration(owner, object client.Object) (*unstructured.Unstructured, error) {
	config, err := Configuration(a.Client.Scheme(), object)
	if err != nil {
		return nil, err
	}
	ref, err := ownerReference(a.Client.Scheme(), owner)
	if err != nil {
		return nil, err
	}
	config.SetOwnerReferences([]metav1.OwnerReference{ref})
	sum, err := hash(config)
	if err != nil {
		return nil, err
	}
	annotations := config.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[HashAnnotation] = sum
	config.SetAnnotations(annotations)
	return config, nil
}

func ownerReference(scheme *runtime.Scheme, owner client.Object) (metav1.OwnerReference, error) {
	gvk, err := apiutil.GVKForObject(owner, scheme)
	if err != nil {
		return metav1.OwnerReference{}, fmt.Errorf("finding the kind of %T: %w", owner, err)
	}
	return metav1.OwnerReference{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: owner.GetName(), UID: owner.GetUID(),
		Controller: new(true), BlockOwnerDeletion: new(true),
	}, nil
}

// live returns the object as it is in the cluster, and whether it exists. The
// cache holds only objects with our labels, so what it lacks is looked up: an
// object of somebody else must not be taken over.
func (a *Applier) live(ctx context.Context, object client.Object) (client.Object, bool, error) {
	found := emptyOf(object)
	key := client.ObjectKeyFromObject(object)
	err := a.Client.Get(ctx, key, found)
	if apierrors.IsNotFound(err) {
		err = a.Live.Get(ctx, key, found)
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, false, fmt.Errorf("reading it: %w", err)
	}
	return found, err == nil, nil
}

// emptyOf returns an empty object of the same kind.
func emptyOf(object client.Object) client.Object {
	//nolint:errcheck,forcetypeassert // its type is that of a client.Object
	return reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
}

func owned(live, owner client.Object) error {
	ref := metav1.GetControllerOf(live)
	switch {
	case ref != nil && ref.UID == owner.GetUID() && live.GetDeletionTimestamp() == nil:
		return nil
	case ref != nil && ref.UID == owner.GetUID(), leftBehind(ref, owner):
		return ErrGoing
	default:
		return ErrForeign
	}
}

// leftBehind says whether the object belonged to a deleted object of the
// owner's kind and name: the garbage collector is about to take it.
func leftBehind(ref *metav1.OwnerReference, owner client.Object) bool {
	return ref != nil && ref.Kind == reflect.TypeOf(owner).Elem().Name() && ref.Name == owner.GetName()
}

// settled says whether applying the configuration would change nothing.
func settled(live client.Object, config *unstructured.Unstructured) (bool, error) {
	if live.GetAnnotations()[HashAnnotation] != config.GetAnnotations()[HashAnnotation] {
		return false, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return false, fmt.Errorf("converting it: %w", err)
	}
	desired := make(map[string]any, len(config.Object))
	for key, value := range config.Object {
		if key != "apiVersion" && key != "kind" {
			desired[key] = value
		}
	}
	return contains(content, desired), nil
}

func (a *Applier) deleteOne(ctx context.Context, owner, object client.Object) error {
	live := emptyOf(object)
	err := a.Client.Get(ctx, client.ObjectKeyFromObject(object), live)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if err != nil || owned(live, owner) != nil {
		return nil //nolint:nilerr // what is gone, or another's, is as good as deleted
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = a.Client.Delete(ctx, live,
		client.Preconditions{UID: &uid, ResourceVersion: &version},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	a.Changed = a.Changed || err == nil
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting it: %w", err)
	}
	return nil
}
