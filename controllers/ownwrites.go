package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// untilSeen is when to look again for a status that was written and has not
// come back through the cache. No call is made for it.
const untilSeen = 50 * time.Millisecond

// ownWrites remembers the version of each status that was written last. A
// status in the cache that is older must not be compared with: where the truth
// went back and forth, it would look as if there were nothing to write.
type ownWrites struct {
	mu       sync.Mutex
	versions map[types.NamespacedName]string
}

func newOwnWrites() *ownWrites { return &ownWrites{versions: map[types.NamespacedName]string{}} }

func (o *ownWrites) wrote(object client.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.versions[client.ObjectKeyFromObject(object)] = object.GetResourceVersion()
}

// unseen says whether the object, read from the cache, is older than what was
// written last.
func (o *ownWrites) unseen(object client.Object) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	written, ok := o.versions[key]
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), written)
	if err != nil || order >= 0 {
		delete(o.versions, key)
		return false
	}
	return true
}

func (o *ownWrites) forget(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.versions, key)
}
