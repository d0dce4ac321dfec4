package flows

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// ListResponse is the list of flows.
type ListResponse struct {
	Success string    `json:"success"`
	Flows   []Summary `json:"flows"`
	// After is the cursor of the next page, empty on the last one.
	After string `json:"after,omitempty"`
}

const (
	defaultPage = 50
	maxPage     = 200
)

func (m *Module) list(w http.ResponseWriter, r *http.Request) error {
	who, err := subject(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	before, err := parseCursor(query.Get("after"))
	if err != nil {
		return err
	}
	flows, after, err := m.Page(r, who, before, pageSize(query.Get("limit")))
	if err != nil {
		return err
	}
	if server.WantsHTML(r) && m.Views != nil {
		return m.Views.FlowList(w, r, ListView{Flows: flows, After: after, Deleted: deletedID(query.Get("deleted"))})
	}
	return server.JSON(w, http.StatusOK, ListResponse{Success: success, Flows: flows, After: after})
}

// deletedID accepts nothing but the id of a flow.
func deletedID(text string) string {
	if _, err := uuid.Parse(text); err != nil {
		return ""
	}
	return text
}

func pageSize(text string) int {
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 {
		return defaultPage
	}
	return min(size, maxPage)
}

// Page returns one page of the caller's flows, and the cursor of the next. The
// flows that only the cluster knows come at the end of the last page.
func (m *Module) Page(r *http.Request, who identity.Subject, before store.FlowCursor, size int) ([]Summary, string, error) {
	rows, err := m.Store.Flows(r.Context(), who.Workspace.ID, before, size+1)
	if err != nil {
		return nil, "", err
	}
	objects, away := m.objects(r.Context(), who)
	after := ""
	if len(rows) > size {
		rows = rows[:size]
		after = formatCursor(rows[size-1])
	}
	summaries := make([]Summary, 0, len(rows))
	for _, row := range rows {
		summaries = append(summaries, summaryOf(row, objects[row.Name], away))
	}
	if after == "" && !away {
		others, err := m.others(r, who, objects)
		if err != nil {
			return nil, "", err
		}
		summaries = append(summaries, others...)
	}
	return summaries, after, nil
}

// objects returns what the cluster has; away says that it did not answer.
func (m *Module) objects(ctx context.Context, who identity.Subject) (objects map[string]*v1alpha1.Flow, away bool) {
	objects, err := m.cluster.List(ctx, who.Workspace.Name)
	if err != nil {
		m.Log.DebugContext(ctx, "listing the status of flows", "error", err)
		return nil, true
	}
	return objects, false
}

func summaryOf(flow store.Flow, object *v1alpha1.Flow, away bool) Summary {
	l := loaded{stored: stored{Flow: flow}, Object: object, Away: away}
	summary := Summary{
		ID: flow.ID.String(), Name: flow.Title, Slug: flow.Name, URL: l.url(), Status: l.status(),
		Timestamp: timestampOf(flow), ReadOnly: l.readOnly(), Exposure: v1alpha1.VisibilityPrivate,
	}
	if own := l.own(); own != nil {
		summary.Exposure = visibilityOf(&own.Spec)
	}
	return summary
}

func visibilityOf(spec *v1alpha1.FlowSpec) v1alpha1.Visibility {
	return cmp.Or(spec.Exposure.Visibility, v1alpha1.VisibilityPrivate)
}

// others returns the flows that were made with kubectl or from Git.
func (m *Module) others(r *http.Request, who identity.Subject, objects map[string]*v1alpha1.Flow) ([]Summary, error) {
	names, err := m.Store.FlowNames(r.Context(), who.Workspace.ID)
	if err != nil {
		return nil, err
	}
	var found []Summary
	for name, object := range objects {
		if !slices.Contains(names, name) {
			found = append(found, clusterSummary(object))
		}
	}
	slices.SortFunc(found, func(a, b Summary) int { return strings.Compare(a.Slug, b.Slug) })
	return found, nil
}

// clusterSummary describes a flow that only the cluster knows. Its id is its
// name.
func clusterSummary(object *v1alpha1.Flow) Summary {
	summary := Summary{
		ID: object.Name, Name: cmp.Or(object.Spec.Title, object.Name), Slug: object.Name,
		URL: object.Status.URL, Exposure: visibilityOf(&object.Spec), ReadOnly: cmp.Or(ownerOf(object), "kubectl"),
		Timestamp: Timestamp{Time: object.CreationTimestamp.Time},
	}
	objectStatus(&summary.Status, object)
	return summary
}

// formatCursor names the place behind a flow.
func formatCursor(flow store.Flow) string {
	text := strconv.FormatInt(flow.UpdatedAt.UnixMicro(), 10) + " " + flow.ID.String()
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseCursor(cursor string) (store.FlowCursor, error) {
	if cursor == "" {
		return store.FlowCursor{}, nil
	}
	bad := server.Invalid(server.FieldError{Field: "after", Code: server.CodeInvalid, Message: "This page of the list does not exist."})
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return store.FlowCursor{}, bad
	}
	micros, id, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		return store.FlowCursor{}, bad
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return store.FlowCursor{}, bad
	}
	return store.FlowCursor{UpdatedAt: time.UnixMicro(n), ID: parsed}, nil
}
