package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/test/client"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
)

// exposed is the benchmark's flow, made in the portal of a cluster.
type exposed struct {
	Portal *client.Portal
	ID     string
	Key    ctrl.ObjectKey
	Peer   *peer
}

// expose signs up, saves the flow and waits until it is Ready.
func expose(ctx context.Context, cluster ctrl.Client, portalURL string) (*exposed, error) {
	portal := client.New(portalURL)
	email := fmt.Sprintf("bench-%d@example.com", time.Now().UnixNano())
	if err := portal.SignUp(ctx, "Bench", email, "a long benchmark password "+email); err != nil {
		return nil, err
	}
	flow, err := saveHello(ctx, portal)
	if err != nil {
		return nil, err
	}
	key, err := keyOfAddress(flow.URL())
	if err != nil {
		return nil, err
	}
	ready, err := awaitFlow(ctx, cluster, key, settled)
	if err != nil {
		return nil, err
	}
	credential, err := portal.EndpointKey(ctx, flow.ID(), "bench")
	if err != nil {
		return nil, err
	}
	headers := func() (map[string]string, error) {
		return map[string]string{"Authorization": "Bearer " + credential}, nil
	}
	address, err := nodeAddress(ctx, cluster, ready.Status.URL)
	if err != nil {
		return nil, err
	}
	p := &peer{Name: "(c) gateway + runtime, endpoint key", URL: address, Headers: headers}
	return &exposed{Portal: portal, ID: flow.ID(), Key: key, Peer: p}, awaitAnswer(ctx, p.URL, mustHeaders(headers), 30*time.Second)
}

// nodeAddress replaces localhost by the address of a node: node ports on
// localhost go through a proxy of kube-proxy's own, which no cluster that
// people use has in the way.
func nodeAddress(ctx context.Context, cluster ctrl.Client, address string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Hostname() != "localhost" {
		return address, err
	}
	var nodes corev1.NodeList
	if err := cluster.List(ctx, &nodes); err != nil {
		return "", fmt.Errorf("listing nodes: %w", err)
	}
	for i := range nodes.Items {
		for _, a := range nodes.Items[i].Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				parsed.Host = net.JoinHostPort(a.Address, parsed.Port())
				return parsed.String(), nil
			}
		}
	}
	return "", errors.New("no node has an address")
}

func mustHeaders(headers func() (map[string]string, error)) map[string]string {
	result, err := headers()
	if err != nil {
		return nil // the request without headers will say what is wrong
	}
	return result
}

// saveHello makes the flow in the portal. It has no rate limits, as its peers
// have none.
func saveHello(ctx context.Context, portal *client.Portal) (client.Flow, error) {
	flow, err := portal.CreateFlow(ctx)
	if err != nil {
		return nil, err
	}
	spec := helloFlow()
	data, err := json.Marshal(map[string]any{
		"name": "Bench hello", "components": spec.Components, "edges": spec.Edges,
		"exposure": spec.Exposure, "runtime": spec.Runtime,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the flow: %w", err)
	}
	if err := json.Unmarshal(data, &flow); err != nil {
		return nil, fmt.Errorf("merging the flow: %w", err)
	}
	if err := portal.Save(ctx, flow); err != nil {
		return nil, err
	}
	return awaitURL(ctx, portal, flow.ID())
}

// awaitURL waits until the portal knows the flow's address.
func awaitURL(ctx context.Context, portal *client.Portal, id string) (client.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		flow, err := portal.Flow(ctx, id)
		if err != nil {
			return nil, err
		}
		if flow.URL() != "" {
			return flow, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the flow's address: %w; its status is %v", ctx.Err(), flow["status"])
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// keyOfAddress tells which Flow object answers at an address: …/f/{workspace}/{flow}.
func keyOfAddress(address string) (ctrl.ObjectKey, error) {
	parts := strings.Split(address, "/")
	if len(parts) < 3 || parts[len(parts)-3] != "f" {
		return ctrl.ObjectKey{}, fmt.Errorf("%q is not the address of a flow", address)
	}
	return ctrl.ObjectKey{Namespace: v1alpha1.WorkspaceNamespacePrefix + parts[len(parts)-2], Name: parts[len(parts)-1]}, nil
}
