/* chest_prose.c - what is said of the chest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chest_int.h"

#include <string.h>

enum {
    LUNGS = 1, PLEURA = 2, PNEUMOTHORAX = 4, HEART = 8, MEDIASTINUM = 16, BONES = 32,
    DEVICES = 64, FREE_AIR = 128, HILA = 256, VESSELS = 512
};

static const ph_normal normals[] = {
    {LUNGS, "{The lungs are clear.|Clear lungs.|No focal consolidation.*2|No focal airspace "
            "opacity.|The lung fields are clear.|The lungs are otherwise clear.}"},
    {LUNGS, "{No suspicious pulmonary nodule or mass.|No pulmonary nodule is seen.|No lung mass.}"},
    {PLEURA, "{No pleural effusion.*3|No pleural fluid.|The costophrenic angles are {clear|sharp|"
             "preserved}.|No effusion {is seen|}.}"},
    {PNEUMOTHORAX, "{No pneumothorax.*3|No evidence of pneumothorax.|No pneumothorax is "
                   "{identified|seen}.|No PTX.}"},
    {PLEURA | PNEUMOTHORAX, "No pleural effusion or pneumothorax."},
    {HEART, "{The heart size is {normal|within normal limits}.*2|Heart size normal.|Normal cardiac "
            "silhouette.|The cardiothoracic ratio is {normal|below 50%}.|No cardiomegaly.}"},
    {MEDIASTINUM, "{The mediastinal contours are {normal|unremarkable}.|Unremarkable mediastinum.|"
                  "The mediastinum is {central|not widened}.|The trachea is {central|midline}.}"},
    {HEART | MEDIASTINUM, "{Cardiomediastinal contours are {normal|unremarkable}.|The "
                          "cardiomediastinal silhouette is within normal limits.}"},
    {HILA, "{Both hila are normal.|The hila are {unremarkable|of normal size}.|No hilar "
           "enlargement.}"},
    {VESSELS, "{Pulmonary vascularity is normal.|No vascular congestion.|No evidence of pulmonary "
              "oedema.|No interstitial oedema.}"},
    {BONES, "{No acute bony abnormality.|The {visualised|imaged} {bones are|skeleton is} intact.|"
            "No rib fracture {is seen|}.|The osseous structures are unremarkable.}"},
    {FREE_AIR, "{No free air {under|beneath} the diaphragm.|No free subdiaphragmatic gas.|The upper "
               "abdomen is unremarkable.}"},
    {DEVICES, "{No lines or tubes.|No indwelling devices.}"},
};

#define LOOK "{There is|We see|There is evidence of|Noted is}"
#define ADVICE                                                                             \
    "{Clinical correlation is {advised|recommended}.|Follow-up radiograph {suggested|"     \
    "recommended} to ensure resolution.|*4}"

const chest_kind chest_kinds[] = {
    {"pleural effusion", NULL, chest_paint_effusion,
     {PH_TEXTS("{an_effusion}", "{size} {sided} pleural {effusions}",
               "{size} {side} pleural fluid", "{an_effusion}"),
      PH_TEXTS("{Shortness of breath|Breathlessness|Dyspnoea} {in a {age} {sex}|for {three days|a "
               "week|two weeks}}.", "{age} {sex} with {known malignancy|heart failure|fever and "
               "chest pain|reduced breath sounds}. {Effusion?|}",
               "{Decreased air entry|Dull percussion note} at the base."),
      PH_TEXTS("{There {is_are}|We see} {an_effusion}{, blunting the costophrenic "
               "angle| with a meniscus| with adjacent basal atelectasis|}.",
               "{size} {side} pleural {effusions} with {obscuration of the hemidiaphragm|a meniscus "
               "along the lateral chest wall|layering fluid}.",
               "Homogeneous {side} basal opacity with a meniscus, {consistent with|in keeping with|"
               "likely} {an_effusion}.",
               "The {side} costophrenic {angles} {is_are} obliterated by {size} pleural fluid."),
      PH_TEXTS("{size} {side} pleural {effusions}.", "{size} {sided} pleural {effusions}. " ADVICE,
               "{size} {side} pleural fluid{; underlying consolidation cannot be excluded|}.",
               "Pleural {effusions}, {side}, {size}."),
      PLEURA | LUNGS | HEART}},
    {"pneumothorax", chest_bend_pneumothorax, chest_paint_pneumothorax,
     {PH_TEXTS("a {size} {side} pneumothorax", "a {size} {sided} pneumothorax",
               "{size} {side} PTX", "a {side} pneumothorax"),
      PH_TEXTS("{Sudden {sided} chest pain|Acute pleuritic chest pain|Acute shortness of "
               "breath}.", "{age} {sex}{, tall and thin,|} with sudden dyspnoea.",
               "{After line placement|After trauma|Status post lung biopsy|Post fall}. {Pneumothorax?|}"),
      PH_TEXTS("{There is|We see} a {size} {side} {apical |}pneumothorax{ with a visible pleural "
               "line| with absent lung markings peripherally|}.",
               "A thin visceral pleural line is seen {over|at} the {side} apex with no lung markings "
               "beyond it, {consistent with|in keeping with} a {size} pneumothorax.",
               "{size} {side} pneumothorax. {No mediastinal shift.|}",
               "Lucency without vascular markings in the {side} hemithorax: {size} PTX."),
      PH_TEXTS("{size} {side} pneumothorax.", "{size} {sided} pneumothorax. {Urgent clinical review "
               "advised.|The team was informed.|}", "{side} pneumothorax, {size}."),
      PNEUMOTHORAX | MEDIASTINUM | LUNGS}},
    {"cardiomegaly", chest_bend_heart, chest_paint_heart,
     {PH_TEXTS("{size} cardiomegaly", "{size} enlargement of the heart", "an enlarged heart",
               "{size} enlargement of the cardiac silhouette"),
      PH_TEXTS("{Hypertension|Heart failure|Known ischaemic heart disease|Ankle swelling}.",
               "{age} {sex} with {exertional dyspnoea|a murmur|palpitations}.",
               "Preoperative assessment. {Known hypertension.|}"),
      PH_TEXTS("The heart is {{sizely}|} enlarged{ with a cardiothoracic ratio "
               "above 50%|}.", "{size} enlargement of the cardiac silhouette.",
               "There is {size} cardiomegaly{, mainly of the left ventricle| without overt "
               "failure|}."),
      PH_TEXTS("{size} cardiomegaly.", "{size} cardiomegaly{ without {signs of failure|pulmonary "
               "oedema|congestion}|}.", "Enlarged heart{; echocardiography may be helpful|}."),
      HEART | MEDIASTINUM}},
    {"consolidation", NULL, chest_paint_consolidation,
     {PH_TEXTS("{size} {side} {site} consolidation", "{size} consolidation in the {side} {site}",
               "{side} {site} pneumonia", "airspace opacity in the {side} {site}"),
      PH_TEXTS("{Fever and cough|Productive cough|Cough and fever for {three|four} days|Pyrexia and "
               "raised CRP}.", "{age} {sex} with {suspected pneumonia|fever|sepsis|crackles on "
               "auscultation}.", "{Pneumonia? |}{Pleuritic chest pain.|Rigors.|Hypoxia.}"),
      PH_TEXTS("{There is|We see} {size} consolidation in the {side} {site}{ with air "
               "bronchograms|}.", "{size} airspace opacification {of|in} the {side} {site}{, "
               "suspicious for pneumonia|}.", "Ill-defined {size} opacity in the {side} {site}{, "
               "likely infective|, consistent with consolidation|}.",
               "The {side} {site} shows {size} {consolidation|airspace shadowing}."),
      PH_TEXTS("{side} {site} consolidation{, likely pneumonia|, in keeping with infection|}. "
               ADVICE, "{side} {site} pneumonia{ is likely|}.", "Consolidation in the {side} {site}. "
               "{Aspiration cannot be excluded.|" ADVICE "}"),
      LUNGS}},
    {"nodule", NULL, chest_paint_nodule,
     {PH_TEXTS("a {size} nodule in the {side} {site}", "a {side} {site} lung nodule",
               "a solitary pulmonary nodule in the {side} {site}", "a {side} {site} nodule of {size}"),
      PH_TEXTS("{Smoker|Ex-smoker|Routine check|Preoperative chest film|Weight loss}.",
               "{age} {sex}{, smoker,|} with {cough|haemoptysis|no symptoms}.",
               "{Follow-up|Staging} of {known melanoma|colorectal carcinoma|a known nodule}."),
      PH_TEXTS("{There is|We see} a {well-defined|rounded|} {size} nodule in the {side} {site}.",
               "A {size} {rounded opacity|nodular opacity} projects over the {side} {site}.",
               "Solitary pulmonary nodule of {size} in the {side} {site}{, not calcified|}."),
      PH_TEXTS("{side} {site} pulmonary nodule{, {size}|}. {CT is recommended.*2|}",
               "{size} nodule in the {side} {site}; {malignancy cannot be excluded|further evaluation "
               "with CT advised}.", "Solitary nodule, {side} {site}."),
      LUNGS}},
    {"mass", NULL, chest_paint_mass,
     {PH_TEXTS("a {size} mass in the {side} {site}", "a {side} {site} lung mass",
               "a large {side} {site} mass", "a {side} {site} lung tumour"),
      PH_TEXTS("{Haemoptysis|Weight loss and cough|Persistent cough|Chest pain and weight loss}.",
               "{age} {sex}, heavy smoker, with {haemoptysis|weight loss|hoarseness}.",
               "{Malignancy? |}{Clubbing.|Night sweats.|Weight loss.}"),
      PH_TEXTS("{There is|We see} a {size} mass in the {side} {site}{ with {spiculated|lobulated} "
               "margins|}.", "A {large|rounded|lobulated} {size} mass is {seen|present} in the {side} "
               "{site}.", "Mass-like opacity measuring {size} in the {side} {site}, {highly|} "
               "suspicious for a bronchogenic neoplasm."),
      PH_TEXTS("{side} {site} lung mass, {suspicious for|likely} {primary malignancy|bronchogenic "
               "carcinoma|a primary tumour}. CT {is|} recommended.",
               "Mass in the {side} {site}. {Urgent referral advised.|CT chest advised.|}",
               "{size} mass, {side} {site}."),
      LUNGS}},
    {"cavity", NULL, chest_paint_cavity,
     {PH_TEXTS("a cavitating lesion in the {side} {site}", "a {side} {site} cavity",
               "a {size} thick-walled cavity in the {side} {site}"),
      PH_TEXTS("{Night sweats and cough|Fever and weight loss|Chronic productive cough}.",
               "{age} {sex} with {suspected tuberculosis|haemoptysis|foul sputum}. {TB?|}"),
      PH_TEXTS("{There is|We see} a {size} {thick-walled|ring-shaped|} cavity in the {side} {site}{ "
               "with an air-fluid level|}.", "A cavitating lesion of {size} is {seen|present} in the "
               "{side} {site}."),
      PH_TEXTS("{side} {site} cavitary lesion; {tuberculosis|abscess|cavitating malignancy} {cannot be "
               "excluded|should be considered}.", "Cavity in the {side} {site}, {likely "
               "tuberculous|likely a lung abscess|infective or neoplastic}."),
      LUNGS}},
    {"pulmonary oedema", chest_bend_oedema, chest_paint_oedema,
     {PH_TEXTS("{size} bilateral pulmonary oedema", "bilateral interstitial pulmonary oedema",
               "{size} bilateral vascular congestion and oedema", "bilateral perihilar oedema"),
      PH_TEXTS("{Acute dyspnoea|Orthopnoea|Breathless at night}. {Known heart failure.|}",
               "{age} {sex} with {decompensated heart failure|acute coronary syndrome|fluid "
               "overload|renal failure}."),
      PH_TEXTS("Bilateral perihilar {haze|opacities} with {upper lobe venous diversion|septal lines|"
               "Kerley B lines|peribronchial cuffing}, {consistent with|in keeping with} {size} "
               "pulmonary oedema.", "{size} pulmonary vascular congestion with interstitial oedema "
               "in both lungs.", "There is {size} bilateral interstitial oedema{ and the heart is "
               "enlarged|}."),
      PH_TEXTS("{size} bilateral pulmonary oedema{, likely cardiogenic|}.", "{Cardiac failure|"
               "Congestive heart failure} with {size} bilateral pulmonary oedema.",
               "Bilateral vascular congestion and interstitial oedema, {size}."),
      LUNGS | PLEURA | HEART | VESSELS | HILA}},
    {"lobar collapse", chest_bend_collapse, chest_paint_collapse,
     {PH_TEXTS("{size} {side} lower lobe collapse", "{size} collapse of the {side} lower lobe",
               "{side} lower lobe atelectasis"),
      PH_TEXTS("{Postoperative hypoxia|Mucus plugging|Decreased breath sounds at the base}.",
               "{age} {sex}{, ventilated,|} with {desaturation|cough|increased oxygen "
               "requirement}."),
      PH_TEXTS("{There is|We see} {size} {collapse|atelectasis} of the {side} lower lobe with "
               "{elevation of the hemidiaphragm|volume loss|mediastinal shift to the {side}}.",
               "Triangular {retrocardiac |}opacity at the medial {side} base, consistent with {size} "
               "{side} lower lobe collapse.", "Volume loss in the {side} lower lobe{ with {size} "
               "atelectasis|}."),
      PH_TEXTS("{size} {side} lower lobe collapse{; endobronchial obstruction cannot be excluded|, "
               "likely mucus plugging|}.", "{side} lower lobe atelectasis."),
      LUNGS | MEDIASTINUM | PLEURA}},
    {"rib fracture", NULL, chest_paint_rib_fracture,
     {PH_TEXTS("{an} {size} displaced {side} rib {fractures}",
               "{an} {size} {side} rib {fractures}",
               "{an} displaced {side} rib {fractures}",
               "{an} {size} {sided} rib {fractures}"),
      PH_TEXTS("{Fall|Blunt chest trauma|Road traffic accident|Fell from a ladder}. {Tender {side} "
               "chest wall.|}", "{age} {sex} with {sided} chest wall pain after {a fall|trauma}."),
      PH_TEXTS("{There {is_are}|We see} {an} {size} displaced {fractures} of the {side} "
               "lateral ribs.",
               "{size} displaced {side} rib {fractures}{ with adjacent soft tissue swelling|}.",
               "Cortical break with step-off of the {side} {posterolateral|lateral} ribs, {size}."),
      PH_TEXTS("{side} rib {fractures}, {size}. {No pneumothorax.|}", "{size} displaced {side} rib "
               "{fractures}.", "{fractures} of the {side} ribs."),
      BONES}},
    {"pneumoperitoneum", NULL, chest_paint_free_air,
     {PH_TEXTS("pneumoperitoneum with free air under {under_what}",
               "a {size} amount of free air beneath {under_what}",
               "free subdiaphragmatic gas beneath {under_what}"),
      PH_TEXTS("{Acute abdomen|Severe abdominal pain|Rigid abdomen|Peritonism}.",
               "{age} {sex} with {acute upper abdominal pain|peritonitis|recent laparoscopy}. {Perforation?|}"),
      PH_TEXTS("{Free air|Free intraperitoneal gas} is {seen|present} {under|beneath} {under_what}.",
               "A {size} {crescent|lucency} of gas lies {under|beneath} {under_what}, {consistent with|"
               "indicating} pneumoperitoneum."),
      PH_TEXTS("Pneumoperitoneum, {free air under|air beneath} {under_what}. {Surgical review "
               "advised.|Perforated viscus until proven otherwise.|}",
               "{size} pneumoperitoneum beneath {under_what}."),
      FREE_AIR}},
    {"central line", NULL, chest_paint_line,
     {PH_TEXTS("a {side} {site} central venous line", "a {side} {site} central venous catheter",
               "a {sided} {site} central line"),
      PH_TEXTS("{Line placement|Check line position|Post central line insertion}.",
               "{age} {sex} in intensive care. {Line position?|New central line.|}"),
      PH_TEXTS("A {side} {site} central {venous catheter|line} {ends|terminates|is seen with its tip} "
               "in the superior vena cava.", "{side} {site} {CVC|central venous line} with its tip "
               "{projecting over|in} the {SVC|cavoatrial junction}."),
      PH_TEXTS("{side} {site} central venous line in {satisfactory|good} position. {No "
               "pneumothorax.|}", "{side} {site} central line with tip in the SVC."),
      DEVICES}},
    {"pacemaker", NULL, chest_paint_pacemaker,
     {PH_TEXTS("a {side} chest wall pacemaker", "a {size} pacemaker on the {side}",
               "a {sided} {size} cardiac pacemaker"),
      PH_TEXTS("{Pacemaker check|Post pacemaker insertion|Syncope|Bradycardia}.",
               "{age} {sex} with {heart block|sick sinus syndrome|a pacemaker}."),
      PH_TEXTS("A {side} {chest wall|pectoral} {size} pacemaker {is in place|is noted} with {intact "
               "leads|its lead tip over the right ventricle}.", "{size} pacemaker, generator in the "
               "{side} chest wall."),
      PH_TEXTS("{side} {size} pacemaker{ with leads in satisfactory position|}.",
               "Pacemaker in the {side} chest wall. {No complication.|No pneumothorax.|}"),
      DEVICES}},
    {"hyperinflation", chest_bend_hyperinflation, chest_paint_hyperinflation,
     {PH_TEXTS("{size} bilateral hyperinflation", "hyperinflated lungs", "{size} hyperinflation of both "
               "lungs", "emphysematous hyperinflation of the lungs"),
      PH_TEXTS("{COPD|Known COPD|Emphysema|Chronic cough in a smoker}.", "{age} {sex}{, smoker,|} with "
               "{COPD exacerbation|wheeze|chronic dyspnoea}."),
      PH_TEXTS("The lungs are {sizely} hyperinflated with {flattening of the diaphragms|flat "
               "hemidiaphragms}{ and a narrow heart|}.", "{size} hyperinflation with {flattened "
               "hemidiaphragms|increased lucency|attenuated vessels}."),
      PH_TEXTS("{size} bilateral hyperinflation{, consistent with COPD|, likely emphysema|}.",
               "Hyperinflated lungs in keeping with {COPD|emphysema}."),
      HEART | LUNGS | MEDIASTINUM | VESSELS}},
    {"hilar enlargement", NULL, chest_paint_hilum,
     {PH_TEXTS("{size} {side} hilar enlargement", "an enlarged {side} {site}",
               "{side} hilar lymphadenopathy"),
      PH_TEXTS("{Cough|Fatigue and cough|Night sweats|Erythema nodosum}.", "{age} {sex} with {suspected "
               "sarcoidosis|suspected lymphoma|weight loss|fever}."),
      PH_TEXTS("{There is|We see} {size} enlargement of the {side} {site}.", "The {side} {site} "
               "{appears|appear} {size} and enlarged{, suggesting lymphadenopathy|}.",
               "{size} {side} hilar enlargement{, likely nodal|}."),
      PH_TEXTS("{side} hilar {enlargement|lymphadenopathy}{; {sarcoidosis|lymphoma|malignancy} should "
               "be considered|}.", "Enlarged {side} {site}. {CT advised.|" ADVICE "}"),
      HILA | MEDIASTINUM}},
    {0},
};

const chest_kind *chest_kind_of(const char *kind)
{
    for (const chest_kind *k = chest_kinds; k->kind; k++)
        if (strcmp(k->kind, kind) == 0)
            return k;
    return NULL;
}

const ph_reporter chest_reporter = {
    .technique = PH_TEXTS("{Single {view} view of the chest.|{view} projection.|Frontal view, {view}.|"
                          "{Good|Adequate|Moderate} inspiration.|Slightly rotated film.}"),
    .normals = normals,
    .n_normals = ph_count(normals),
    .least = 3,
    .most = 6,
    .normal = {
        PH_TEXTS("no abnormality", "normal findings", "clear lungs and a normal heart",
                 "no acute cardiopulmonary abnormality"),
        PH_TEXTS("{Preoperative assessment|Routine check|Cough|Chest pain|Pre-employment "
                 "examination|Fever of unknown origin}.", "{age} {sex} with {atypical chest pain|"
                 "mild cough|no symptoms|palpitations}.", "{Exclude|Rule out} {pneumonia|"
                 "tuberculosis|pneumothorax}."),
        PH_TEXTS("{The heart and lungs are normal.|Normal appearances of the heart and lungs.|Clear "
                 "lungs, normal heart.|Lungs are well expanded and clear.}"),
        PH_TEXTS("No acute cardiopulmonary {abnormality|process|disease}.", "Normal chest "
                 "radiograph.", "Normal study. No active {lung|chest} disease.", "No significant "
                 "abnormality {detected|}.")},
    .caption_study = "{frontal chest radiograph*3|chest radiograph|chest X-ray|{view} chest "
                     "radiograph|{view} chest X-ray}",
};
