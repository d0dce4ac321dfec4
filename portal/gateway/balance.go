package gateway

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// pick chooses a pod by the power of two choices: of two random ones, the one
// with fewer requests in flight. Pods in tried are chosen only when there is no
// other. It returns nil where there is no pod.
func (r *record) pick(tried []*endpoint) *endpoint {
	all := *r.endpoints.Load()
	if len(tried) > 0 {
		if rest := without(all, tried); len(rest) > 0 {
			all = rest
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	i := rand.IntN(len(all)) // spreads load; nothing secret
	j := rand.IntN(len(all) - 1)
	if j >= i {
		j++
	}
	if all[j].inFlight.Load() < all[i].inFlight.Load() {
		return all[j]
	}
	return all[i]
}

// await is pick, but waits for a pod where there is none.
func (r *record) await(ctx context.Context, tried []*endpoint, wait time.Duration) *endpoint {
	if e := r.pick(tried); e != nil {
		return e
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		changed := r.onChange()
		if e := r.pick(tried); e != nil {
			return e
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func without(all, tried []*endpoint) []*endpoint {
	return slices.DeleteFunc(slices.Clone(all), func(e *endpoint) bool { return slices.Contains(tried, e) })
}

func portOf(s *discoveryv1.EndpointSlice) string {
	for _, p := range s.Ports {
		if p.Name != nil && *p.Name == portName && p.Port != nil && *p.Port > 0 {
			return strconv.Itoa(int(*p.Port))
		}
	}
	return ""
}

func joinHostPort(host, port string) string { return net.JoinHostPort(host, port) }
