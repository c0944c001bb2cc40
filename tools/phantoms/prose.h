/* prose.h - reports that vary as radiologists' do.
 *
 * A template is text with choices and variables:
 *
 *   "{There is|We see} a {size} {side} pleural effusion{, blunting the
 *    costophrenic angle|}."
 *
 *   {a|b|c}     one of them, evenly; nested choices and variables are fine
 *   {a*3|b}     a is three times as likely as b
 *   {name}      the variable's value, itself expanded; an unknown name is left as it
 *               stands, braces and all, so that a test finds it
 *   {maybe x|}  an empty choice drops it
 *
 * What is said is tidied: runs of spaces become one, "a effusion" becomes "an
 * effusion" ("an 8 mm", "an 18 mm"), each sentence starts with a capital. Templates
 * are written in British spelling; a prose whose `american` is set rewrites oedema,
 * haemorrhage, tumour, centre, grey and their kin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_PROSE_H
#define RS_PHANTOM_PROSE_H

#include "phantom.h"

typedef struct { const char *name, *value; } ph_var;

enum { PH_MAX_VARS = 24 };

typedef struct {
    rs_random r;
    bool      american;
    size_t    n_vars;
    ph_var    vars[PH_MAX_VARS];
} ph_prose;

/* A prose with its own stream, spelling picked, and {sex} ("man", "woman", "boy",
 * "girl"), {gender} ("male"), {age} ("54-year-old"), {study} set from the case. */
ph_prose ph_prose_new(const ph_case *c, rs_random *r);
/* Set a variable; both strings must outlive the prose. A later value replaces. */
void ph_set(ph_prose *p, const char *name, const char *value);
/* Set {kind} {side} {site} {size} from a finding, and {sided} "left-sided" (empty
 * where the finding has no side). */
void ph_set_finding(ph_prose *p, const ph_finding *f);

/* Expand `text` and append it, after a space where there is text already. */
void ph_say(rs_buf *out, ph_prose *p, const char *text);
/* One of n templates, evenly. */
void ph_say_one(rs_buf *out, ph_prose *p, const char *const *texts, size_t n);
/* k different ones of n, in random order: pertinent negatives, normal structures. */
void ph_say_some(rs_buf *out, ph_prose *p, const char *const *texts, size_t n, size_t k);
/* Expanded alone; caller rs_free()s; NULL on OOM. */
char *ph_expand(ph_prose *p, const char *text);

#define ph_count(array) (sizeof(array) / sizeof *(array))

#endif
