package flows

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/server"
)

// delete takes a flow away. Its object in the cluster goes at once if the
// cluster answers, and as soon as it does otherwise.
func (m *Module) delete(w http.ResponseWriter, r *http.Request) error {
	if err := empty(r); err != nil {
		return err
	}
	s, err := m.find(r)
	if err != nil {
		return err
	}
	l, err := m.loadStored(r.Context(), s)
	if err != nil {
		return err
	}
	if owner := l.readOnly(); owner != "" {
		return readOnlyError(owner)
	}
	if err := m.Store.DeleteFlow(r.Context(), s.Who.Workspace.ID, s.Flow.ID, s.Who.Actor()); err != nil {
		return err
	}
	if err := m.sync.Now(r.Context(), s.Who.Workspace.ID, s.Flow.ID); err != nil {
		m.Log.InfoContext(r.Context(), "a deleted flow waits for the cluster", "flow", s.Flow.ID, "error", err)
	}
	return m.Site.Reply(w, r, server.Result{
		Body: Answer{Success: success, Message: "Flow deleted successfully"}, Location: "/flows?deleted=" + s.Flow.ID.String(),
	})
}

func (m *Module) undelete(w http.ResponseWriter, r *http.Request) error {
	if err := empty(r); err != nil {
		return err
	}
	who, err := subject(r)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return server.NotFound()
	}
	if err := m.Store.UndeleteFlow(r.Context(), who.Workspace.ID, id, who.Actor()); err != nil {
		return err
	}
	var refused *clusterError
	if err := m.sync.Now(r.Context(), who.Workspace.ID, id); err != nil && !errors.As(err, &refused) {
		m.Log.InfoContext(r.Context(), "a flow that came back waits for the cluster", "flow", id, "error", err)
	}
	l, err := m.load(r)
	if err != nil {
		return err
	}
	return m.Site.Reply(w, r, server.Result{
		Body: FlowResponse{Success: success, Message: "Flow restored successfully", Flow: l.document()}, Location: "/flows", Message: "flash.undeleted",
	})
}
