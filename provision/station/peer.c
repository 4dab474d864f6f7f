#include "peer.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "proc.h"
#include "serve.h"

enum { GREETING_MS = 10000, STOP_MS = 2000 };

int peer_start(struct peer *p, const char *program, const char *const arguments[], struct err *e)
{
	bool eof;

	*p = (struct peer){ .program = program, .line.fd = -1 };
	if (proc_start(program, arguments, &p->line.fd, &p->pid, e) != 0)
		return -1;
	if (line_read(&p->line, &p->greeting, &eof, clock_now_ms() + GREETING_MS, ERR_CONFIG, e) !=
	    0)
		return err_while(e, "starting %s", program);
	if (eof)
		return err_set(e, ERR_CONFIG, "child.died", "%s ended at once", program);
	if (strcmp(json_opt_str(p->greeting, "build", ""), build_id()) != 0)
		return err_set(e, ERR_CONFIG, "child.build", "%s is of another build than kiln",
		    program);
	return 0;
}

int peer_ask(struct peer *p, json_t *request, int64_t ms, json_t **ret, struct err *e)
{
	AUTO(json_t) *owned = request;
	AUTO(json_t) *answer = NULL;
	int64_t deadline = clock_now_ms() + ms;
	json_t *ok;
	bool eof;

	if (owned == NULL)
		return err_nomem(e);
	if (json_set_int(owned, "id", ++p->id, e) != 0 ||
	    json_set_int(owned, "deadline", deadline, e) != 0 ||
	    line_write(p->line.fd, owned, deadline, ERR_CONFIG, e) != 0 ||
	    line_read(&p->line, &answer, &eof, deadline + 500, ERR_CONFIG, e) != 0)
		return err_while(e, "asking %s", p->program);
	if (eof)
		return err_set(e, ERR_CONFIG, "child.died", "%s ended instead of answering",
		    p->program);
	ok = json_object_get(answer, "ok");
	if (!json_is_object(ok))
		return json_to_err(json_object_get(answer, "err"), e);
	*ret = json_incref(ok);
	return 0;
}

void peer_stop(struct peer *p)
{
	int64_t deadline = clock_now_ms() + STOP_MS;

	json_decref(steal(&p->greeting));
	if (p->pid == 0)
		return;
	(void)close(p->line.fd); /* end of file is how it is asked to end */
	line_free(&p->line);
	while (waitpid(p->pid, NULL, WNOHANG) == 0) {
		if (clock_left_ms(deadline) == 0) {
			(void)kill(p->pid, SIGKILL); /* it is our child and not reaped */
			(void)waitpid(p->pid, NULL, 0);
			break;
		}
		(void)usleep(2000);
	}
	p->pid = 0;
}
