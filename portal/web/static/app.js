/* Makes the pages nicer; every one of them works without it. ES5, and nothing
   that browsers since IE 9, Firefox 5 and Chrome 10 do not have. */
(function () {
  'use strict';

  if (!document.addEventListener || !window.JSON || !window.XMLHttpRequest) { return; }

  function byId(id) { return document.getElementById(id); }

  function each(list, fn) {
    for (var i = 0; i < list.length; i++) { fn(list[i], i); }
  }

  function tagged(root, tag, attribute) {
    var found = [];
    each(root.getElementsByTagName(tag), function (element) {
      if (element.getAttribute(attribute) !== null) { found.push(element); }
    });
    return found;
  }

  function hasClass(element, name) {
    return (' ' + element.className + ' ').indexOf(' ' + name + ' ') >= 0;
  }

  function setClass(element, name, on) {
    if (on === hasClass(element, name)) { return; }
    element.className = on ? element.className + ' ' + name :
      (' ' + element.className + ' ').replace(' ' + name + ' ', ' ').replace(/^\s+|\s+$/g, '');
  }

  function setText(element, text) {
    while (element.firstChild) { element.removeChild(element.firstChild); }
    element.appendChild(document.createTextNode(text));
  }

  /* The fields of a form as a browser would send them. */
  function encode(form, skip) {
    var pairs = [];
    each(form.elements, function (field) {
      var type = (field.type || '').toLowerCase();
      if (!field.name || field.disabled || type === 'submit' || type === 'button' || type === 'fieldset') { return; }
      if ((type === 'checkbox' || type === 'radio') && !field.checked) { return; }
      if (skip && skip(field)) { return; }
      pairs.push(encodeURIComponent(field.name) + '=' + encodeURIComponent(field.value));
    });
    return pairs;
  }

  function post(path, accept, pairs, onchange) {
    var request = new XMLHttpRequest();
    request.open('POST', path, true);
    request.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    request.setRequestHeader('Accept', accept);
    request.onreadystatechange = function () { onchange(request); };
    request.send(pairs.join('&'));
    return request;
  }

  /* Settings that count only with a certain value of another one. */
  function dependents(form) {
    function value(name) {
      var result = '';
      each(form.elements, function (field) {
        if (field.name !== name) { return; }
        if (field.type === 'checkbox') { result = field.checked ? 'true' : 'false'; } else { result = field.value; }
      });
      return result;
    }
    function refresh() {
      each(tagged(form, 'div', 'data-shown-if'), function (box) {
        var wanted = ' ' + box.getAttribute('data-shown-for') + ' ';
        setClass(box, 'off', wanted.indexOf(' ' + value(box.getAttribute('data-shown-if')) + ' ') < 0);
      });
    }
    form.addEventListener('change', refresh, false);
    refresh();
  }

  /* Expressions that are put into their text by a press. */
  function hints(form) {
    each(tagged(form, 'span', 'data-insert'), function (hint) {
      var button = document.createElement('button');
      button.type = 'button';
      button.className = 'hint';
      setText(button, hint.firstChild ? hint.firstChild.nodeValue : '');
      button.addEventListener('click', function () {
        var field = byId(hint.getAttribute('data-insert'));
        if (!field) { return; }
        var text = button.firstChild.nodeValue;
        var at = typeof field.selectionStart === 'number' ? field.selectionStart : field.value.length;
        var end = typeof field.selectionEnd === 'number' ? field.selectionEnd : at;
        field.value = field.value.substring(0, at) + text + field.value.substring(end);
        field.focus();
        field.selectionStart = field.selectionEnd = at + text.length;
        touched(form);
      }, false);
      hint.parentNode.replaceChild(button, hint);
    });
  }

  /* Drafts keep themselves, a moment after the last change. */
  var dirty = false, timer = null, saving = false;

  function touched(form) {
    dirty = true;
    if (timer) { window.clearTimeout(timer); }
    timer = window.setTimeout(function () { keep(form); }, 1200);
  }

  function keep(form) {
    var state = byId('draft-state');
    if (saving || !dirty || !state) { return; }
    saving = true;
    dirty = false;
    setText(state, form.getAttribute('data-saving'));
    var pairs = encode(form, function (field) { return hasClass(field, 'no-autosave'); });
    pairs.push('do=keep');
    post(form.getAttribute('action'), 'application/json', pairs, function (request) {
      if (request.readyState !== 4) { return; }
      saving = false;
      if (request.status === 200) {
        byId('revision').value = JSON.parse(request.responseText).revision;
        setText(state, form.getAttribute('data-saved'));
        if (dirty) { touched(form); }
      } else if (request.status === 409) {
        setText(state, form.getAttribute('data-conflict'));
      } else {
        setText(state, form.getAttribute('data-failed'));
        dirty = true;
        timer = window.setTimeout(function () { keep(form); }, 5000);
      }
    });
  }

  function autosave(form) {
    if (!byId('draft-state') || !byId('save')) { return; }
    function changed(event) {
      if (!hasClass(event.target, 'no-autosave')) { touched(form); }
    }
    form.addEventListener('input', changed, false);
    form.addEventListener('change', changed, false);
    form.addEventListener('submit', function () {
      dirty = false;
      if (timer) { window.clearTimeout(timer); }
    }, false);
  }

  /* Runs show their progress as it comes. */
  function events(text, from, handle) {
    var end = text.lastIndexOf('\n\n');
    if (end < from) { return from; }
    each(text.substring(from, end).split('\n\n'), function (block) {
      each(block.split('\n'), function (line) {
        if (line.indexOf('data: ') === 0) { handle(JSON.parse(line.substring(6))); }
      });
    });
    return end + 2;
  }

  /* Some old browsers show nothing of an answer before its end. */
  function sofar(request) {
    try { return request.responseText; } catch (ignored) { return ''; }
  }

  function showLive(live, run, event) {
    if (event.type === 'component.started') {
      run.step = document.createElement('div');
      run.step.appendChild(document.createElement('strong'));
      setText(run.step.firstChild, event.name || '');
      run.text = document.createElement('div');
      run.text.className = 'result';
      live.appendChild(run.step);
    } else if (event.type === 'component.delta' && run.step) {
      if (!run.text.parentNode) { run.step.appendChild(run.text); }
      run.text.appendChild(document.createTextNode(event.text));
    } else if (event.type === 'run.finished') {
      run.over = event.run;
    }
  }

  function startRun(form, button) {
    var live = byId('live'), run = {}, seen = 0;
    var path = '/flow/' + form.getAttribute('data-flow');
    var old = byId('run-result');
    if (old) { setClass(old, 'off', true); }
    setClass(live, 'off', false);
    setText(live, form.getAttribute('data-running'));
    if (timer) { window.clearTimeout(timer); }
    dirty = false;
    form.setAttribute('data-busy', 'yes');
    each(form.getElementsByTagName('button'), function (b) { b.disabled = true; });
    function failed(request) {
      /* The page without scripting says best what is wrong. */
      var revision = request.getResponseHeader('Weft-Draft-Revision');
      if (revision) { byId('revision').value = revision; }
      each(form.getElementsByTagName('button'), function (b) { b.disabled = false; });
      var field = document.createElement('input');
      field.type = 'hidden';
      field.name = 'do';
      field.value = button.value;
      form.appendChild(field);
      form.submit();
    }
    var wait = window.setTimeout(function () {
      if (!seen) { setText(live, form.getAttribute('data-waiting')); }
    }, 3000);
    post(path + '/run', 'text/event-stream', encode(form), function (request) {
      if (request.readyState < 3) { return; }
      if (request.readyState === 4) { window.clearTimeout(wait); }
      if (request.status !== 200 || (request.getResponseHeader('Content-Type') || '').indexOf('text/event-stream') !== 0) {
        if (request.readyState === 4) { failed(request); }
        return;
      }
      if (!seen) { setText(live, ''); }
      seen = events(sofar(request), seen, function (event) { showLive(live, run, event); });
      if (request.readyState === 4) {
        window.location.href = path + (run.over ? '?run=' + run.over : '') + '#test';
      }
    });
  }

  function runs(form) {
    each(form.getElementsByTagName('button'), function (button) {
      if (button.name !== 'do' || button.value !== 'run') { return; }
      button.addEventListener('click', function (event) {
        event.preventDefault();
        startRun(form, button);
      }, false);
    });
  }

  /* Addresses and commands are copied by a press. */
  function copies() {
    if (!document.queryCommandSupported || !document.createRange || !window.getSelection) { return; }
    each(['span', 'pre'], function (tag) {
      each(document.getElementsByTagName(tag), function (box) {
        if (!hasClass(box, 'copy')) { return; }
        box.addEventListener('click', function () {
          var range = document.createRange();
          range.selectNodeContents(box);
          var selection = window.getSelection();
          selection.removeAllRanges();
          selection.addRange(range);
          try { document.execCommand('copy'); } catch (ignored) { return; }
        }, false);
      });
    });
  }

  /* A page that waits for something looks again, unless somebody types. */
  function refresh() {
    var seconds = document.body.getAttribute('data-refresh');
    if (!seconds) { return; }
    window.setTimeout(function again() {
      if (dirty || saving) { window.setTimeout(again, 1000); return; }
      window.location.reload();
    }, seconds * 1000);
  }

  /* A status that will not last is shown anew when it changes. */
  function watch(form) {
    if (!form.getAttribute('data-passing')) { return; }
    var flow = form.getAttribute('data-flow'), failures = 0;
    function reload() {
      if (dirty || saving || form.getAttribute('data-busy')) { window.setTimeout(reload, 1000); return; }
      window.location.reload();
    }
    function ask(after) {
      var request = new XMLHttpRequest();
      request.open('GET', '/events?after=' + encodeURIComponent(after), true);
      request.setRequestHeader('Accept', 'application/json');
      request.onreadystatechange = function () {
        if (request.readyState !== 4) { return; }
        if (request.status !== 200) {
          failures += 1;
          if (failures < 5) { window.setTimeout(function () { ask(after); }, 5000); }
          return;
        }
        var answer = JSON.parse(request.responseText), news = false;
        each(answer.events, function (event) { news = news || (event.kind === 'flow' && event.flow === flow); });
        /* What happened before the first question is seen by looking again. */
        if (news || (after && !answer.events.length)) { reload(); } else { ask(answer.after); }
      };
      request.send();
    }
    ask('');
  }

  function begin() {
    var form = byId('outline');
    if (form) {
      dependents(form);
      hints(form);
      autosave(form);
      runs(form);
      watch(form);
    }
    copies();
    refresh();
  }

  if (document.readyState === 'loading') {
    document.addEventListener('DOMContentLoaded', begin, false);
  } else {
    begin();
  }
}());
