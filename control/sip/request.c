/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/stack.h"
#include <stdlib.h>

static struct span text_of(const char *text)
{
	return text ? span_of(text) : span_make("", 0);
}

/* The content of a quoted string; Sofia leaves quotes and escapes as they came. */
static struct span unquoted(su_home_t *home, const char *display)
{
	size_t len = display ? strlen(display) : 0, out = 0;
	char *copy;

	if (len < 2 || display[0] != '"' || display[len - 1] != '"')
		return text_of(display);
	copy = su_alloc(home, len);
	if (copy == NULL)
		return text_of(NULL);
	for (size_t i = 1; i + 1 < len; i++) {
		if (display[i] == '\\' && i + 2 < len)
			i++;
		copy[out++] = display[i];
	}
	return span_make(copy, out);
}

static struct span uri_of(su_home_t *home, const url_t *url)
{
	return text_of(url_as_string(home, url));
}

static bool params_have(const msg_param_t *params, const char *name)
{
	size_t len = strlen(name);

	for (; params != NULL && *params != NULL; params++)
		if (strncasecmp(*params, name, len) == 0 &&
			((*params)[len] == '\0' || (*params)[len] == '='))
			return true;
	return false;
}

static bool contact_isfocus(const sip_contact_t *contact)
{
	return contact != NULL && (params_have(contact->m_params, "isfocus") ||
					  (contact->m_url->url_params != NULL &&
						  url_has_param(contact->m_url, "isfocus")));
}

static struct span unknown_header(const sip_t *sip, const char *name)
{
	for (const sip_unknown_t *un = sip->sip_unknown; un != NULL; un = un->un_next)
		if (un->un_name != NULL && strcasecmp(un->un_name, name) == 0)
			return text_of(un->un_value);
	return text_of(NULL);
}

static bool list_has(const msg_list_t *list, const char *token)
{
	for (; list != NULL; list = list->k_next)
		for (msg_param_t *item = list->k_items; item != NULL && *item != NULL; item++)
			if (strcasecmp(*item, token) == 0)
				return true;
	return false;
}

static struct span list_text(su_home_t *home, const msg_list_t *list)
{
	char *text = NULL;

	for (; list != NULL; list = list->k_next)
		for (msg_param_t *item = list->k_items; item != NULL && *item != NULL; item++)
			text = text ? su_strcat_all(home, text, ",", *item, NULL)
				    : su_strdup(home, *item);
	return text_of(text);
}

static struct span accept_text(su_home_t *home, const sip_accept_t *accept)
{
	char *text = NULL;

	for (; accept != NULL; accept = accept->ac_next)
		if (accept->ac_type != NULL && accept->ac_type[0] != '\0')
			text = text ? su_strcat_all(home, text, ",", accept->ac_type, NULL)
				    : su_strdup(home, accept->ac_type);
	return text_of(text);
}

/* A header that may stand once stood again: the parser keeps the first one and puts the others with
 * the erroneous ones, which are of the kind that their class says. */
static bool repeated(const sip_t *sip, msg_hclass_t *of, const char *name)
{
	for (const sip_header_t *bad = (const sip_header_t *)sip->sip_error; bad != NULL;
		bad = bad->sh_next)
		if (bad->sh_class == of ||
			(bad->sh_class == sip_error_class && bad->sh_error->er_name != NULL &&
				strcasecmp(bad->sh_error->er_name, name) == 0))
			return true;
	return false;
}

static void subscribe_read(struct request *out, su_home_t *home, const sip_t *sip)
{
	out->event = out->event_id = text_of(NULL);
	if (sip->sip_event != NULL) {
		out->event = text_of(sip->sip_event->o_type);
		out->event_id = text_of(sip->sip_event->o_id);
	}
	if (sip->sip_expires != NULL && sip->sip_expires->ex_date == 0) {
		out->has_expires = true;
		out->expires = sip->sip_expires->ex_delta > UINT32_MAX
				       ? UINT32_MAX
				       : (uint32_t)sip->sip_expires->ex_delta;
	}
	out->accept = accept_text(home, sip->sip_accept);
}

static void refer_read(struct request *out, su_home_t *home, const sip_t *sip)
{
	const sip_refer_sub_t *sub = sip_refer_sub(sip);

	out->refer_to = out->referred_by = text_of(NULL);
	if (sip->sip_refer_to != NULL)
		out->refer_to = uri_of(home, sip->sip_refer_to->r_url);
	out->refer_to_repeated = repeated(sip, sip_refer_to_class, "Refer-To");
	if (sub != NULL && sub->rs_value != NULL)
		out->refer_sub =
			strcasecmp(sub->rs_value, "false") == 0 ? REFER_SUB_FALSE : REFER_SUB_TRUE;
	out->multiple_refer = list_has(sip->sip_require, "multiple-refer");
	if (sip->sip_referred_by != NULL)
		out->referred_by = uri_of(home, sip->sip_referred_by->b_url);
}

static enum request_refresher refresher_of(const sip_session_expires_t *x)
{
	if (x == NULL || x->x_refresher == NULL)
		return REFRESHER_ABSENT;
	return strcasecmp(x->x_refresher, "uas") == 0 ? REFRESHER_UAS : REFRESHER_UAC;
}

static bool source_is_trusted(struct ua *ua, nta_incoming_t *incoming)
{
	msg_t *msg = nta_incoming_getrequest(incoming);
	bool trusted;

	if (msg == NULL)
		return false;
	trusted = ua_source_is_trusted(ua, msg);
	msg_destroy(msg);
	return trusted;
}

/* RFC 3325, 3GPP TS 24.229 5.7.1.4; context.md 3.1: believed from a trusted source only; two
 * values, sip: and tel:, name one user. */
static void identity_read(struct request *out, su_home_t *home, const sip_t *sip, bool trust_from)
{
	const sip_p_asserted_identity_t *pai = sip_p_asserted_identity(sip);
	const sip_from_t *from = sip->sip_from;
	struct span display = { "", 0 };

	if (!out->trusted)
		return;
	for (; pai != NULL; pai = pai->paid_next) {
		struct span uri = uri_of(home, pai->paid_url);
		char canonical[IDENTITY_MAX];

		if (identity_canonical(uri, canonical) < 0)
			continue;
		if (display.len == 0)
			display = unquoted(home, pai->paid_display);
		if (!out->authenticated || pai->paid_url->url_type == url_sip ||
			pai->paid_url->url_type == url_sips) {
			if (out->authenticated)
				memcpy(out->asserted_second, out->asserted, IDENTITY_MAX);
			memcpy(out->asserted, canonical, IDENTITY_MAX);
			out->asserted_uri = uri;
			out->authenticated = true;
		} else {
			memcpy(out->asserted_second, canonical, IDENTITY_MAX);
		}
	}
	if (!out->authenticated && trust_from && from != NULL) {
		out->asserted_uri = uri_of(home, from->a_url);
		out->authenticated = identity_canonical(out->asserted_uri, out->asserted) == 0;
	}
	if (display.len == 0 && from != NULL)
		display = unquoted(home, from->a_display);
	display_name_clean(display, out->display_name);
}

static enum request_method method_of(const sip_t *sip)
{
	switch (sip->sip_request->rq_method) {
	case sip_method_invite: return REQUEST_INVITE;
	case sip_method_bye: return REQUEST_BYE;
	case sip_method_options: return REQUEST_OPTIONS;
	case sip_method_update: return REQUEST_UPDATE;
	case sip_method_register: return REQUEST_REGISTER;
	case sip_method_subscribe: return REQUEST_SUBSCRIBE;
	case sip_method_refer: return REQUEST_REFER;
	default: return REQUEST_OTHER;
	}
}

static void body_read(
	struct span *content_type, struct span *body, su_home_t *home, const sip_t *sip)
{
	*content_type = *body = text_of(NULL);
	if (sip->sip_payload == NULL || sip->sip_payload->pl_len == 0)
		return;
	*body = span_make(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
	if (sip->sip_content_type != NULL) {
		char *text =
			sip_header_as_string(home, (const sip_header_t *)sip->sip_content_type);

		*content_type = text_of(text);
	}
}

void request_read(struct request *out, struct ua *ua, su_home_t *home, nta_incoming_t *incoming,
	const sip_t *sip)
{
	request_parse(out, home, sip, source_is_trusted(ua, incoming), ua->config->sip_trust_from);
}

void request_parse(
	struct request *out, su_home_t *home, const sip_t *sip, bool trusted, bool trust_from)
{
	*out = (struct request){ 0 };
	out->method = method_of(sip);
	out->method_name = text_of(sip->sip_request->rq_method_name);
	out->uri = uri_of(home, sip->sip_request->rq_url);
	out->asserted_uri = text_of(NULL);
	out->trusted = trusted;
	identity_read(out, home, sip, trust_from);
	out->privacy = sip->sip_privacy != NULL &&
		       (params_have(sip->sip_privacy->priv_values, "id") ||
			       params_have(sip->sip_privacy->priv_values, "user"));
	out->call_id = text_of(sip->sip_call_id ? sip->sip_call_id->i_id : NULL);
	out->contact = text_of(NULL);
	if (sip->sip_contact != NULL)
		out->contact = uri_of(home, sip->sip_contact->m_url);
	out->contact_isfocus = contact_isfocus(sip->sip_contact);
	out->allow = list_text(home, (const msg_list_t *)sip->sip_allow);
	out->subject = text_of(sip->sip_subject ? sip->sip_subject->g_string : NULL);
	out->contribution_id = unknown_header(sip, "Contribution-ID");
	out->supports_timer =
		list_has(sip->sip_supported, "timer") || list_has(sip->sip_require, "timer");
	if (sip->sip_session_expires != NULL)
		out->session_expires = (uint32_t)(sip->sip_session_expires->x_delta & 0x7fffffff);
	out->refresher = refresher_of(sip->sip_session_expires);
	if (sip->sip_min_se != NULL)
		out->min_se = (uint32_t)(sip->sip_min_se->min_delta & 0x7fffffff);
	subscribe_read(out, home, sip);
	refer_read(out, home, sip);
	body_read(&out->content_type, &out->body, home, sip);
}

void response_read(struct response *out, su_home_t *home, const sip_t *sip, unsigned status)
{
	*out = (struct response){ .status = status, .internal = true };
	out->contact = out->warning = out->allow = out->content_type = out->body = text_of(NULL);
	if (sip == NULL)
		return;
	out->internal = nta_sip_is_internal(sip);
	if (sip->sip_contact != NULL)
		out->contact = uri_of(home, sip->sip_contact->m_url);
	out->contact_isfocus = contact_isfocus(sip->sip_contact);
	out->allow = list_text(home, (const msg_list_t *)sip->sip_allow);
	if (sip->sip_warning != NULL)
		out->warning = text_of(sip->sip_warning->w_text);
	if (sip->sip_session_expires != NULL)
		out->session_expires = (uint32_t)(sip->sip_session_expires->x_delta & 0x7fffffff);
	out->refresher = refresher_of(sip->sip_session_expires);
	if (sip->sip_min_se != NULL)
		out->min_se = (uint32_t)(sip->sip_min_se->min_delta & 0x7fffffff);
	body_read(&out->content_type, &out->body, home, sip);
}
