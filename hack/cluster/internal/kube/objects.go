package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

// condition is the part of a condition that says yes or no.
type condition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

// NodeExists succeeds when the kubelet has registered the node.
func (c *Client) NodeExists(ctx context.Context) error {
	return c.Get(ctx, "/api/v1/nodes/"+layout.NodeName, &struct{}{})
}

// NodeReady succeeds when pods can run on the node.
func (c *Client) NodeReady(ctx context.Context) error {
	var node struct {
		Status struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
		Spec struct {
			Taints []struct {
				Key string `json:"key"`
			} `json:"taints"`
		} `json:"spec"`
	}
	if err := c.Get(ctx, "/api/v1/nodes/"+layout.NodeName, &node); err != nil {
		return err
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("node has the taint %s", node.Spec.Taints[0].Key)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		}
	}
	return fmt.Errorf("node %s is not ready", layout.NodeName)
}

// DeploymentReady succeeds when all replicas of the current version are
// available and no other is left.
func (c *Client) DeploymentReady(ctx context.Context, namespace, name string) error {
	var deployment struct {
		Metadata struct {
			Generation int64 `json:"generation"`
		} `json:"metadata"`
		Spec struct {
			Replicas int `json:"replicas"`
		} `json:"spec"`
		Status struct {
			ObservedGeneration int64 `json:"observedGeneration"`
			Replicas           int   `json:"replicas"`
			UpdatedReplicas    int   `json:"updatedReplicas"`
			AvailableReplicas  int   `json:"availableReplicas"`
		} `json:"status"`
	}
	path := fmt.Sprintf("/apis/apps/v1/namespaces/%s/deployments/%s", namespace, name)
	if err := c.Get(ctx, path, &deployment); err != nil {
		return err
	}
	want, have := deployment.Spec.Replicas, deployment.Status
	if have.ObservedGeneration < deployment.Metadata.Generation ||
		have.UpdatedReplicas < want || have.AvailableReplicas < want || have.Replicas > want {
		return fmt.Errorf("deployment %s/%s has %d of %d replicas available", namespace, name, have.AvailableReplicas, want)
	}
	return nil
}

// ServiceAccountExists succeeds when pods can be created in the namespace.
func (c *Client) ServiceAccountExists(ctx context.Context, namespace string) error {
	return c.Get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/default", namespace), &struct{}{})
}

// ReplaceService makes a Service of this name anew and returns its address,
// which differs from the one it had.
func (c *Client) ReplaceService(ctx context.Context, namespace, name string) (address string, err error) {
	path := fmt.Sprintf("/api/v1/namespaces/%s/services", url.PathEscape(namespace))
	_, err = c.do(ctx, http.MethodDelete, path+"/"+url.PathEscape(name), "", nil)
	if err != nil && !errors.Is(err, errNotFound) {
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"name": name},
		"spec":     map[string]any{"ports": []any{map[string]any{"port": 80}}},
	})
	if err != nil {
		return "", fmt.Errorf("encode a service: %w", err)
	}
	data, err := c.do(ctx, http.MethodPost, path, "application/json", body)
	if err != nil {
		return "", err
	}
	var made struct {
		Spec struct {
			ClusterIP string `json:"clusterIP"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &made); err != nil {
		return "", fmt.Errorf("decode a service: %w", err)
	}
	return made.Spec.ClusterIP, nil
}

// DeletePods deletes the pods with these labels.
func (c *Client) DeletePods(ctx context.Context, namespace, selector string) error {
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods?labelSelector=%s", url.PathEscape(namespace), url.QueryEscape(selector))
	_, err := c.do(ctx, http.MethodDelete, path, "", nil)
	return err
}

// Volume is a persistent volume of the local cluster.
type Volume struct {
	Name string
	Path string // of its directory on the machine
}

// ReleasedVolumes returns the local volumes whose claim was deleted.
func (c *Client) ReleasedVolumes(ctx context.Context) ([]Volume, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec struct {
				Local struct {
					Path string `json:"path"`
				} `json:"local"`
			} `json:"spec"`
			Status struct {
				Phase string `json:"phase"`
			} `json:"status"`
		} `json:"items"`
	}
	selector := url.QueryEscape(layout.VolumeLabel + "=true")
	if err := c.Get(ctx, "/api/v1/persistentvolumes?labelSelector="+selector, &list); err != nil {
		return nil, err
	}
	var released []Volume
	for _, item := range list.Items {
		if item.Status.Phase == "Released" {
			released = append(released, Volume{Name: item.Metadata.Name, Path: item.Spec.Local.Path})
		}
	}
	return released, nil
}

// OfferVolume makes a released volume available for the next claim.
func (c *Client) OfferVolume(ctx context.Context, name string) error {
	patch := map[string]any{"spec": map[string]any{"claimRef": nil}}
	return c.Merge(ctx, "/api/v1/persistentvolumes/"+url.PathEscape(name), patch)
}
