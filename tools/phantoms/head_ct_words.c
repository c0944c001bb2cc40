/* head_ct_words.c - what a radiologist writes of a drawn head CT: templates of prose.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "head_ct_int.h"

/* Families, bits of sec_words.family: what a finding forbids saying. */
enum {
    F_BLOOD = 1, F_EXTRA_AXIAL = 2, F_EFFECT = 4, F_INFARCT = 8, F_VENTRICLES = 16,
    F_CISTERNS = 32, F_MASS = 64, F_SULCI = 128, F_FRACTURE = 256, F_BASAL = 512, F_OLD = 1024
};

#define TRAUMA \
    "{age} {sex}, {fall from a ladder|road traffic accident|assault|head injury after a " \
    "fall|found on the floor}. {GCS 13.|Reduced GCS.|Headache and vomiting.|Brief loss of " \
    "consciousness.|?intracranial bleed.}"
#define STROKE \
    "{age} {sex} with {sudden|acute} {weakness|onset hemiparesis|focal neurological " \
    "deficit}. {?stroke.|Stroke protocol.|Exclude haemorrhage.|Onset two hours ago.}"
#define HEADACHE \
    "{age} {sex} with {progressive headache|new seizures|headache and confusion|behavioural " \
    "change}. {?space-occupying lesion.|?cause.|}"

const sec_words head_ct_words[KINDS] = {
    [EPIDURAL] = {F_BLOOD | F_EXTRA_AXIAL | F_EFFECT | F_SULCI,
        "{{size}|acute|{mm}} {side} {site} {epidural*2|extradural} haematoma",
        TRAUMA,
        "{There is a|} {biconvex|lentiform|lens-shaped}{,| } hyperdense "
        "{extra-axial|extradural} collection {over|overlying} the {side} {site} "
        "{lobe|convexity}, {measuring|up to} {mm} {in depth|thick|in maximal thickness}. {{In "
        "keeping|Consistent} with an {epidural|extradural} haematoma.|} "
        "{{moved}|{Underlying|Adjacent} sulci are effaced.|Local mass effect on the {side} "
        "{site} lobe.}",
        "{Acute|A {size} acute} {side} {site} {epidural*2|extradural} haematoma{, {mm} "
        "thick|}{shifted}. {Urgent neurosurgical {review|opinion} "
        "{advised|recommended}.|Findings discussed with the referring team.|}"},
    [SUBDURAL_ACUTE] = {F_BLOOD | F_EXTRA_AXIAL | F_EFFECT | F_SULCI,
        "{{size}|{mm}|} acute {side} subdural haematoma",
        TRAUMA,
        "{There is a|} {crescentic|crescent-shaped} {hyperdense|high-attenuation} collection "
        "{along|over} the {side} cerebral {convexity|hemisphere} {measuring up to|with a depth "
        "of} {mm}. {{moved}|The {side} lateral ventricle is compressed{shifted}.|Effacement of "
        "the {side} hemispheric sulci.}",
        "{Acute {side} subdural haematoma|{size} acute {side} subdural haematoma|{side} acute "
        "subdural haematoma} with {mass effect|mass effect|local mass effect}{shifted}. "
        "{Neurosurgical referral {suggested|advised}.|}"},
    [SUBDURAL_CHRONIC] = {F_EXTRA_AXIAL | F_EFFECT | F_SULCI | F_BLOOD,
        "{{size}|{mm}|} chronic {side} subdural haematoma",
        "{age} {sex} with {increasing confusion|unsteadiness and falls|headache for "
        "weeks|cognitive decline}. {On anticoagulants.|?subdural.|}",
        "{There is a|} {crescentic|crescent-shaped} hypodense {subdural|extra-axial} collection "
        "over the {side} {cerebral convexity|frontoparietal convexity}, {measuring|up to} {mm}, "
        "{in keeping with|likely} chronic subdural {haematoma|blood}. {Effacement of the "
        "adjacent sulci{shifted}.|Mild mass effect{ on the {side} lateral ventricle|}.}",
        "{Chronic {side} subdural haematoma|{size} chronic {side} subdural haematoma|{side} "
        "chronic subdural haematoma}{ with mass effect|{shifted}|}. {Neurosurgical opinion "
        "suggested.|}"},
    [INTRACEREBRAL] = {F_BLOOD | F_EFFECT | F_SULCI,
        "{{size}|acute|{mm}} {side} {place} {haemorrhage|haematoma|intraparenchymal haemorrhage}",
        STROKE " {Hypertensive.|On warfarin.|}",
        "{There is a|A} {mm} {hyperdense|high-attenuation} "
        "{intraparenchymal|parenchymal|intra-axial} {haematoma|haemorrhage|bleed} {centred "
        "on|in|within} the {side} {site}{ with {surrounding|a rim of} oedema|, surrounded by "
        "low-attenuation oedema|}. {{There is|} {mild |}mass effect{shifted}.|}",
        "{Acute|A {size} acute} {side} {place} {haemorrhage|haematoma|intracerebral "
        "haemorrhage}{, {likely|probably} hypertensive|}. {CT angiography {may be "
        "considered|advised} to exclude an underlying lesion.|}"},
    [SUBARACHNOID] = {F_BLOOD | F_CISTERNS | F_BASAL | F_SULCI,
        "+{diffuse|acute|extensive} subarachnoid haemorrhage {in the basal cisterns|filling the "
        "basal cisterns|centred on the suprasellar cistern}",
        "{age} {sex} with {thunderclap headache|sudden severe headache|worst headache of "
        "life|collapse and neck stiffness}. {?SAH.|}",
        "{Diffuse|Extensive} {hyperdensity|high attenuation|acute blood} {is seen "
        "in|fills|throughout} the {basal cisterns|suprasellar and ambient cisterns}{, extending "
        "into the Sylvian fissures| and both Sylvian fissures| and the anterior "
        "interhemispheric fissure}.",
        "{Acute|Diffuse} subarachnoid haemorrhage{ in the basal cisterns|}, {suspicious "
        "for|likely from} a ruptured aneurysm. {CT angiography {recommended|advised}.|Urgent "
        "CTA and neurosurgical referral.}"},
    [INTRAVENTRICULAR] = {F_BLOOD | F_VENTRICLES,
        "+intraventricular haemorrhage {layering in the occipital horns|in the lateral "
        "ventricles|within both lateral ventricles}",
        STROKE,
        "{Hyperdense|High-attenuation} {blood|material} {layers dependently|is seen} in the "
        "{occipital horns of the lateral ventricles|lateral ventricles}{ and the third "
        "ventricle|}{, more on one side|}.",
        "{Intraventricular haemorrhage|Acute intraventricular haemorrhage}{ in the lateral "
        "ventricles|}. {Follow-up to exclude hydrocephalus.|Underlying vascular lesion to be "
        "excluded.|}"},
    [INFARCT_MCA] = {F_INFARCT | F_EFFECT | F_SULCI,
        "{large|acute|{size}} {side} {middle cerebral artery|MCA}{ territory|} infarct",
        STROKE,
        "{There is|} {wedge-shaped |}{low attenuation|hypodensity|hypoattenuation} "
        "{in|throughout} the {side} {middle cerebral artery|MCA} territory with {loss of "
        "grey-white differentiation|loss of the insular ribbon|effacement of the sulci}. {No "
        "haemorrhagic transformation.|{Mild|Some} mass effect on the {side} lateral ventricle.|}",
        "{Acute|Established|Acute to subacute} {side} {middle cerebral artery|MCA} {territory "
        "|}infarct{, no haemorrhage|}."},
    [INFARCT_PCA] = {F_INFARCT | F_SULCI,
        "{acute|{size}|} {side} {posterior cerebral artery|PCA} territory infarct in the "
        "occipital lobe",
        "{age} {sex} with {sudden visual loss|homonymous hemianopia|acute visual field defect}. "
        "{?stroke.|}",
        "{Low attenuation|Hypodensity} {involving|in} the {side} {occipital lobe|medial "
        "occipital lobe}, {in the {posterior cerebral artery|PCA} territory|corresponding to "
        "the PCA territory}, with loss of grey-white differentiation.",
        "{Acute|Subacute} {side} {occipital infarct|PCA territory infarct of the occipital "
        "lobe|posterior cerebral artery (occipital) infarct}."},
    [LACUNE] = {F_OLD,
        "{small|{mm}|} {side} {basal ganglia|basal ganglia} {lacunar infarct|lacune}",
        "{age} {sex} with {memory loss|previous TIA|hypertension and unsteadiness|pure motor "
        "weakness}.",
        "{Small|{mm}|Well-defined} {hypodense focus|low-attenuation focus|lacune} in the {side} "
        "{basal ganglia|lentiform nucleus}{, {in keeping with|consistent with|likely} a lacunar "
        "infarct|}.",
        "{Old|Chronic|{mm}|} {side} basal ganglia {lacunar infarct|lacune}. {No acute "
        "haemorrhage.|No acute territorial infarct.|}"},
    [HYDROCEPHALUS] = {F_VENTRICLES | F_SULCI,
        "+{{grade}|marked|} {hydrocephalus|communicating hydrocephalus} with {enlarged|dilated} "
        "lateral ventricles",
        "{age} {sex} with {headache and vomiting|gait disturbance and "
        "incontinence|drowsiness|blocked shunt?}.",
        "{Marked|There is} {symmetrical |}{dilatation|enlargement} of the {lateral and third "
        "ventricles|ventricular system}, {out of proportion to the sulci|with effaced "
        "sulci|with periventricular low attenuation suggesting transependymal oedema}.",
        "{{grade}|} hydrocephalus{ with dilated lateral and third ventricles|}. {Comparison "
        "with previous imaging advised.|Neurosurgical review.|}"},
    [MASS] = {F_MASS | F_EFFECT | F_SULCI,
        "{{size}|{mm}} {side} {site} {mass|tumour|space-occupying lesion} with {surrounding "
        "|vasogenic |}oedema",
        HEADACHE,
        "{There is a|A} {mm} {slightly hyperdense|heterogeneous|irregular} {mass|lesion} in the "
        "{side} {site} {surrounded by|with extensive|with} {vasogenic oedema|white matter "
        "oedema}{shifted}. {The overlying sulci are effaced.|}",
        "{side} {site} mass {measuring {mm} |}with {vasogenic oedema|surrounding oedema}, "
        "{suspicious for|likely} {a primary brain tumour|glioma or metastasis|neoplasm}. "
        "{Contrast-enhanced MRI recommended.|}"},
    [CALCIFIED] = {F_OLD,
        "{{mm}|small|densely|} calcified {lesion|focus|granuloma} in the {side} {site}",
        "{age} {sex} with {a seizure|headache|minor head injury}.",
        "{A|There is a} {mm} {densely |coarsely |}calcified {lesion|focus} in the {side} {site} "
        "{without oedema|without mass effect|with no surrounding oedema}.",
        "{Calcified lesion|Calcified focus} in the {side} {site}, {likely|probably} {an old "
        "granuloma|a benign calcified lesion|cavernoma or old infection}."},
    [ATROPHY] = {F_VENTRICLES | F_SULCI,
        "+{generalised |diffuse |marked |}cerebral {atrophy|volume loss}",
        "{age} {sex} with {cognitive decline|memory loss|dementia|recurrent falls}.",
        "{There is|} {prominence|widening} of the {cortical sulci|sulci} and "
        "{ventricles|ventricular system}, {in keeping with|consistent with|indicating} "
        "{generalised|diffuse} {cerebral atrophy|parenchymal volume loss}.",
        "{Generalised|Diffuse|Marked} cerebral atrophy{, greater than expected for age|}. {No "
        "acute intracranial abnormality.|No intracranial haemorrhage or mass.|}"},
};

static const sec_sentence normals[] = {
    {"{The ventricles are normal in size {and configuration|and symmetrical}.|Ventricular size "
        "is {normal|within normal limits}.}", F_VENTRICLES | F_EFFECT | F_MASS},
    {"{The basal cisterns are {patent|preserved|clear}.|Patent basal cisterns.}", F_CISTERNS},
    {"{Grey-white {matter |}differentiation is {preserved|maintained}.|Preserved grey-white "
        "differentiation.}", F_INFARCT | F_MASS},
    {"{The midline is {central|preserved}.|No midline shift.|Midline structures are "
        "undisplaced.}", F_EFFECT | F_INFARCT},
    {"{The sulci are normal for age.|Sulcal pattern is {unremarkable|age-appropriate}.}",
        F_SULCI},
    {"{The calvarium is intact.|No skull fracture.|{The bones|Bony structures} are "
        "unremarkable.}", F_FRACTURE},
    {"{The {imaged|visualised} paranasal sinuses {and mastoid air cells |}are clear.|Paranasal "
        "sinuses clear.}", 0},
    {"{The posterior fossa is {normal|unremarkable}.|Normal appearance of the brainstem and "
        "cerebellum.}", F_BASAL},
    {"{The {orbits|imaged orbits} are unremarkable.|Soft tissues of the scalp are "
        "unremarkable.}", 0},
};

static const sec_sentence negatives[] = {
    {"{No {acute |}intracranial haemorrhage.|There is no {evidence of |}{acute "
        "|}haemorrhage.}", F_BLOOD},
    {"{No extra-axial collection.|No subdural or extradural collection.}", F_EXTRA_AXIAL},
    {"{No mass effect{ or midline shift|}.|No space-occupying lesion.}",
        F_EFFECT | F_MASS | F_INFARCT},
    {"{No {evidence of |}acute {territorial |}infarct{ion|}.|No established {large-vessel "
        "|}infarct.}", F_INFARCT},
    {"{No hydrocephalus.|No ventricular enlargement.}", F_VENTRICLES},
    {"{No mass.|No focal {mass |}lesion{ is seen|}.}", F_MASS | F_OLD | F_BLOOD | F_INFARCT},
};

const sec_style head_ct_style = {
    .study = "{Axial|} {non-contrast|unenhanced|noncontrast|plain} {head CT|CT {of the "
        "|}head|CT of the brain|brain CT}",
    .technique = "{Non-contrast|Unenhanced} {axial |}{CT of the head|head CT|CT brain}{ was "
        "performed| from skull base to vertex|}.",
    .normal = normals, .n_normal = ph_count(normals),
    .negative = negatives, .n_negative = ph_count(negatives),
    .normal_history = "{" TRAUMA "|" STROKE "|" HEADACHE "}",
    .normal_impression = "{No acute intracranial {abnormality|pathology}.|Normal {unenhanced "
        "|}{head CT|CT of the head|CT brain}.|No intracranial haemorrhage, mass or {acute "
        "|}infarct.|Normal study.}",
    .normal_caption = "{{study} {with no|showing no} {acute |}{intracranial "
        "|}abnormality.|Normal {non-contrast|unenhanced|axial} {head CT|CT of the head|brain "
        "CT}.|{study} that is normal.}",
};
