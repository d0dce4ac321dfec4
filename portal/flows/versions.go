package flows

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/weft-run/weft/portal/server"
)

// VersionsResponse lists saved versions.
type VersionsResponse struct {
	Success  string        `json:"success"`
	Versions []VersionInfo `json:"versions"`
	// Before begins the next page: ?before=N. 0 on the last one.
	Before int64 `json:"before,omitempty"`
}

// VersionInfo is one saved version.
type VersionInfo struct {
	Number    int64     `json:"number"`
	Revision  string    `json:"revision"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	Current   bool      `json:"current"`
}

// versionsPage is how many versions are listed at once.
const versionsPage = 50

func (m *Module) versions(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	before, err := optionalNumber(r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	versions, err := m.Store.Versions(r.Context(), l.Who.Workspace.ID, l.Flow.ID, before, versionsPage+1)
	if err != nil {
		return err
	}
	next := int64(0)
	if len(versions) > versionsPage {
		versions = versions[:versionsPage]
		next = versions[versionsPage-1].Number
	}
	if server.WantsHTML(r) && m.Views != nil {
		return m.Views.History(w, r, HistoryView{
			ID: l.Flow.ID.String(), Name: l.Body.Spec.Title, Versions: versions, Current: l.Flow.CurrentVersion,
			Before: next, ReadOnly: l.readOnly(),
		})
	}
	answer := VersionsResponse{Success: success, Versions: make([]VersionInfo, len(versions)), Before: next}
	for i, v := range versions {
		answer.Versions[i] = VersionInfo{
			Number: v.Number, Revision: v.Hash, Note: v.Note, CreatedAt: v.CreatedAt, Current: v.Number == l.Flow.CurrentVersion,
		}
	}
	return server.JSON(w, http.StatusOK, answer)
}

func optionalNumber(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, server.Invalid(server.FieldError{Field: "before", Code: server.CodeInvalid, Message: "Send a number."})
	}
	return n, nil
}

// restoreRequest names a version.
type restoreRequest struct {
	Version int64 `json:"version"`
}

// restore makes an earlier version the draft. It is not in use until it is
// saved.
func (m *Module) restore(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	request, err := server.Bind[restoreRequest](r)
	if err != nil {
		return err
	}
	version, err := m.Store.Version(r.Context(), l.Who.Workspace.ID, l.Flow.ID, request.Version)
	if err != nil {
		return err
	}
	body := Body{Input: l.Body.Input}
	if err := json.Unmarshal(version.Body, &body.Spec); err != nil {
		return fmt.Errorf("reading version %d: %w", version.Number, err)
	}
	// Who may call a flow is not a matter of its earlier versions.
	body.Spec.Exposure = l.Body.Spec.Exposure
	if err := m.keep(r, &l, body, l.Revision); err != nil {
		return m.answerConflict(w, r, err)
	}
	return m.Site.Reply(w, r, server.Result{
		Body:     FlowResponse{Success: success, Message: "The version is the draft now. Save it to bring it into use.", Flow: l.document()},
		Location: "/flow/" + l.Flow.ID.String(), Message: "flash.restored",
	})
}
