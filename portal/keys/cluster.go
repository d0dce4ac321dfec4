package keys

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	fieldManager  = "weft-portal"
	managedBy     = "app.kubernetes.io/managed-by"
	componentName = "app.kubernetes.io/part-of"
)

// objectName is the Secret, or the ConfigMap, that a file is in.
func objectName(file string) string {
	return map[string]string{
		IdentityFile: "weft-identity-keys",
		RequestFile:  "weft-request-keys",
		VaultFile:    "weft-vault-kek",
		TrustFile:    "weft-trust",
	}[file]
}

// Cluster keeps key material in Secrets of one namespace, and what is public in
// the ConfigMap weft-trust.
type Cluster struct {
	Client    kubernetes.Interface
	Namespace string
}

// Get reads a file of its Secret.
func (c Cluster) Get(ctx context.Context, file string) ([]byte, error) {
	secret, err := c.Client.CoreV1().Secrets(c.Namespace).Get(ctx, objectName(file), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, fmt.Errorf("getting the Secret: %w", err)
	}
	data, ok := secret.Data[file]
	if !ok {
		return nil, fmt.Errorf("the Secret has no key %q", file)
	}
	return data, nil
}

// Create makes the Secret. Another replica that was faster is no error.
func (c Cluster) Create(ctx context.Context, file string, data []byte) error {
	_, err := c.Client.CoreV1().Secrets(c.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: objectName(file), Namespace: c.Namespace,
			Labels: map[string]string{managedBy: fieldManager, componentName: "weft"},
		},
		Data: map[string][]byte{file: data},
	}, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating the Secret: %w", err)
	}
	return nil
}

// Publish applies the ConfigMap weft-trust.
func (c Cluster) Publish(ctx context.Context, file string, data []byte) error {
	patch, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": objectName(file), "namespace": c.Namespace,
			"labels": map[string]string{managedBy: fieldManager, componentName: "weft"},
		},
		"data": map[string]string{file: string(data)},
	})
	if err != nil {
		return fmt.Errorf("writing the ConfigMap: %w", err)
	}
	force := true
	_, err = c.Client.CoreV1().ConfigMaps(c.Namespace).Patch(ctx, objectName(file), types.ApplyPatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("applying the ConfigMap: %w", err)
	}
	return nil
}

// Name says where the file is.
func (c Cluster) Name(file string) string {
	if file == TrustFile {
		return fmt.Sprintf("ConfigMap %s/%s", c.Namespace, objectName(file))
	}
	return fmt.Sprintf("Secret %s/%s", c.Namespace, objectName(file))
}
